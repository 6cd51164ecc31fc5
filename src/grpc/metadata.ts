/**
 * Metadata as it stands on the wire: name, value, name, value, … Names are lower case; values of names that end in
 * `-bin` stay in their base64 form. A flat array costs nothing to share between calls whose header blocks repeat.
 */
export type Metadata = readonly string[];

export const noMetadata: Metadata = Object.freeze([]);

/** The first value under `name` (lower case), or undefined. */
export function metadataValue(metadata: Metadata, name: string): string | undefined {
  for (let i = 0; i < metadata.length; i += 2) {
    if (metadata[i] === name) return metadata[i + 1];
  }
  return undefined;
}
