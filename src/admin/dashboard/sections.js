/**
 * Shows one section at a time: that of the fragment of the address, so that a section has a link of its own. The elements have
 * other names than the fragments, so that browsers do not scroll to them.
 */
import { byId } from './elements.js';

/** @type {HTMLAnchorElement[]} */
const links = [...document.querySelectorAll('nav a')].map(
  (link) => /** @type {HTMLAnchorElement} */ (link),
);
/** @type {Map<string, () => void>} */
const onShow = new Map();

/** @param {HTMLAnchorElement} link */
function idOf(link) {
  return link.hash.slice(1);
}

function showCurrent() {
  const id = location.hash.slice(1);
  // Any other fragment, for example that of the skip link, changes nothing.
  const isSection = links.some((link) => idOf(link) === id && !link.hidden);
  const isFirst = !links.some((link) => link.hasAttribute('aria-current'));
  if (!isSection && !isFirst) return;
  const wanted = isSection ? id : 'tenants';
  for (const link of links) {
    const isCurrent = idOf(link) === wanted;
    if (isCurrent) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
    byId(`section-${idOf(link)}`).hidden = !isCurrent;
  }
  onShow.get(wanted)?.();
}

/** Called now if the section is shown, and whenever it is. @param {string} id @param {() => void} action */
export function whenShown(id, action) {
  onShow.set(id, action);
  if (isShown(id)) action();
}

/** @param {string} id */
export function isShown(id) {
  return !byId(`section-${id}`).hidden;
}

/** @param {string} id @param {boolean} isOffered */
export function offer(id, isOffered) {
  for (const link of links) if (idOf(link) === id) link.hidden = !isOffered;
  if (isOffered && location.hash === `#${id}`) showCurrent();
}

addEventListener('hashchange', showCurrent);
showCurrent();
