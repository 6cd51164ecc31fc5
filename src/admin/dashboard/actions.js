/** Actions of the operator on breakers. Offered only if the proxy has them enabled. */
import { el, setText } from './elements.js';
import { visible } from './format.js';
import { url } from './poll.js';

const confirmMs = 5_000;
const classes = ['read', 'write', 'lease', 'watch', 'admin'];

let isEnabled = false;

/** @param {boolean} enabled */
export function enableActions(enabled) {
  isEnabled = enabled;
}

/** The forced states of a breaker, and what each of them does. */
const states = /** @type {const} */ ([
  ['open', 'Open', 'reject every call'],
  ['closed', 'Close', 'admit every call, whatever its outcome'],
  ['auto', 'Reset', 'end the forced state; the breaker begins as closed'],
]);

/**
 * The breakers of a tenant, with buttons if actions are enabled.
 * @param {string} tenant
 * @param {() => void} onDone called after an action
 */
export function breakerList(tenant, onDone) {
  const result = el('p', { role: 'status', class: 'muted' });
  /** @type {Map<string, HTMLElement>} */
  const shown = new Map();
  const rows = classes.map((breaker) => {
    const state = el('span', { class: 'badge' });
    shown.set(breaker, state);
    const row = el('tr', {}, el('th', { scope: 'row' }, breaker), el('td', {}, state));
    if (isEnabled) {
      const buttons = states.map(([name, label, effect]) =>
        actionButton(label, `${label} the ${breaker} breaker: ${effect}`, async () => {
          setText(result, 'sending …');
          setText(result, await perform(tenant, breaker, name));
          onDone();
        }),
      );
      row.append(el('td', { class: 'buttons' }, ...buttons));
    }
    return row;
  });
  const head = ['Class', 'State', ...(isEnabled ? ['Force'] : [])];
  const table = el(
    'table',
    { class: 'breakers' },
    el('caption', {}, 'Breakers'),
    el('thead', {}, el('tr', {}, ...head.map((label) => el('th', { scope: 'col' }, label)))),
    el('tbody', {}, ...rows),
  );
  /** @param {import('./rates.js').Breaker[]} breakers those that are not closed or are forced */
  const update = (breakers) => {
    for (const [breaker, element] of shown) {
      const noted = breakers.find((each) => each.class === breaker);
      setText(element, noted ? `${noted.state}${noted.forced ? ', forced' : ''}` : 'closed');
      element.className = `badge ${kindOf(noted)}`;
    }
  };
  return { element: el('div', {}, table, result), update };
}

/** @param {import('./rates.js').Breaker | undefined} breaker */
export function kindOf(breaker) {
  if (breaker === undefined) return 'ok';
  if (breaker.state === 'open') return 'bad';
  return breaker.state === 'half-open' || breaker.forced ? 'warn' : 'ok';
}

/** A button that acts with its second click, within a few seconds. @param {string} label @param {string} description @param {() => Promise<void>} act */
function actionButton(label, description, act) {
  const button = el(
    'button',
    { type: 'button', title: description, 'aria-label': description },
    label,
  );
  let timer = 0;
  const reset = () => {
    clearTimeout(timer);
    setText(button, label);
    button.setAttribute('aria-label', description);
    button.classList.remove('confirm');
  };
  button.addEventListener('click', () => {
    if (button.classList.contains('confirm')) {
      reset();
      void act();
      return;
    }
    setText(button, 'Confirm');
    button.setAttribute('aria-label', `Confirm: ${description}`);
    button.classList.add('confirm');
    timer = setTimeout(reset, confirmMs);
  });
  button.addEventListener('blur', reset);
  return button;
}

/** @param {string} tenant @param {string} breaker @param {string} state */
async function perform(tenant, breaker, state) {
  const target = url(`breakers/${encodeURIComponent(tenant)}/${breaker}`);
  target.searchParams.set('state', state);
  try {
    const response = await fetch(target, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(5_000),
    });
    if (!response.ok) return `rejected: ${visible((await response.text()).trim())}`;
    const { note = '' } = await response.json();
    return note === '' ? 'done' : `done: ${visible(note)}`;
  } catch (error) {
    return `failed: ${error instanceof Error ? error.message : error}`;
  }
}
