/** Strings as the libraries of etcd's gateways write them. */

/** With what is not safe in HTML escaped: Go's encoding/json. */
export function htmlSafeString(text: string): string {
  const json = JSON.stringify(text.toWellFormed());
  if (!/[<>&\u2028\u2029]/.test(json)) return json;
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (unsafe) => `\\u${unsafe.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** protojson. */
export function plainString(text: string): string {
  return JSON.stringify(text.toWellFormed());
}
