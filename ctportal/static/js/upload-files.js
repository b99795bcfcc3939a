// From what was dropped or chosen to files with their path and what they seem to be. The server decides by
// content; here it only matters what must travel together: the files of a DICOM series become one scan.

const IMAGE_NAME = /\.(png|jpe?g|tiff?|bmp)$/i;
const DICOM_NAME = /\.(dcm|dicom|ima)$/i;
const ZIP_NAME = /\.zip$/i;

const startsWith = (bytes, text, at = 0) => [...text].every((letter, index) => bytes[at + index] === letter.charCodeAt(0));

async function kindOf(file) {
  const head = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  if (startsWith(head, "DICM", 128)) return "dicom";
  if (startsWith(head, "PK")) return "zip";
  if (IMAGE_NAME.test(file.name)) return "image";
  if (ZIP_NAME.test(file.name)) return "zip";
  // Some scanners write DICOM without its mark, named IM0001 or 1.2.840….
  return DICOM_NAME.test(file.name) || !/\.[a-z]{2,5}$/i.test(file.name) ? "dicom" : "image";
}

async function known(file, path) {
  let kind = "image";
  try {
    kind = await kindOf(file);
  } catch {
    // Cannot be read now (a file in the cloud, gone since): sending will say so.
  }
  return { file, path: path || file.webkitRelativePath || file.name, kind };
}

const inBatches = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push(await known(file, entry.fullPath.replace(/^\//, "")));
    return;
  }
  const reader = entry.createReader();
  for (let batch = await inBatches(reader); batch.length; batch = await inBatches(reader)) {
    for (const child of batch) await walk(child, found);
  }
}

const isOfSystem = ({ file }) => /^(\.DS_Store|Thumbs\.db|desktop\.ini|\._.*)$/i.test(file.name);

const byPath = (one, other) => one.path.localeCompare(other.path, undefined, { numeric: true });

export async function fromDrop(transfer) {
  // The entries must be asked for before the first await: the transfer is emptied afterwards.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return fromInput(transfer);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found.filter((item) => !isOfSystem(item)).sort(byPath);
}

export async function fromInput({ files }) {
  const found = [];
  for (const file of files) found.push(await known(file));
  return found.filter((item) => !isOfSystem(item)).sort(byPath);
}
