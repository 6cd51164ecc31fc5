/** Building and changing elements. Text is always set as text, never as markup. */

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** @param {string} id */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/** The same text is not set again, so that a selection survives. @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} element @param {string} name */
export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

/**
 * The children are only replaced if `key` has changed.
 * @param {HTMLElement} element
 * @param {string} key
 * @param {() => (Node | string)[]} children
 */
export function setChildren(element, key, children) {
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  element.replaceChildren(...children());
}

/** @param {string} text @param {string} kind of `ok`, `warn`, `bad`, `info` or empty */
export function badge(text, kind) {
  return el('span', { class: `badge ${kind}` }, text);
}

/** The share of `limit` that is used. @param {number} used @param {number} limit */
export function meter(used, limit) {
  const element = el('meter', { min: '0', max: `${limit}`, high: `${0.8 * limit}`, optimum: '0' });
  element.setAttribute('value', `${Math.min(used, limit)}`);
  element.setAttribute('aria-label', `${used} of ${limit}`);
  return element;
}
