// Whether loose images look like the slices of one scan: numbered names of one kind, and one size.

const NUMBERED = /^(.*?)(\d+)([^\d/]*)$/;
const LEAST = 3;

function numberedAlike(paths) {
  const parts = paths.map((path) => NUMBERED.exec(path));
  if (parts.some((part) => !part)) return false;
  const alike = new Set(parts.map(([, stem, , tail]) => `${stem}/${tail}`)).size === 1;
  return alike && new Set(parts.map(([, , number]) => Number(number))).size === paths.length;
}

async function sizeOf(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const size = `${bitmap.width}x${bitmap.height}`;
    bitmap.close();
    return size;
  } catch {
    return "unknown"; // a format that the browser does not read, such as TIFF
  }
}

export async function looksLikeOneScan(items) {
  if (items.length < LEAST || !numberedAlike(items.map(({ path }) => path))) return false;
  const sizes = new Set();
  for (const { file } of items) {
    sizes.add(await sizeOf(file));
    if (sizes.size > 1) return false;
  }
  return true;
}
