// What was just recorded is said over the image and goes after a while, but not while somebody reads it or aims at its link.
const STAYS = 20000;

export function connectNotices() {
  for (const notice of document.querySelectorAll(".messages .notice-success, .messages .notice-info")) {
    const remove = () => (notice.matches(":hover, :focus-within") ? setTimeout(remove, STAYS) : notice.remove());
    setTimeout(remove, STAYS);
  }
}
