/** A small chart of the last minute. Decorative: the current value is next to it as text. */

const namespace = 'http://www.w3.org/2000/svg';
const width = 60;
const height = 16;

export function sparkline() {
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('class', 'spark');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(document.createElementNS(namespace, 'path'));
  return svg;
}

/** @param {SVGSVGElement} svg @param {Float32Array} values oldest first; NaN where a value is missing */
export function draw(svg, values) {
  let max = 0;
  for (const value of values) if (value > max) max = value;
  const step = width / Math.max(values.length - 1, 1);
  let line = '';
  for (const [index, value] of values.entries()) {
    if (Number.isNaN(value)) continue;
    const y = height - 1 - (max === 0 ? 0 : value / max) * (height - 2);
    line += `${line === '' ? 'M' : 'L'}${(index * step).toFixed(1)} ${y.toFixed(1)}`;
  }
  const path = svg.firstElementChild;
  if (path?.getAttribute('d') !== line) path?.setAttribute('d', line);
}
