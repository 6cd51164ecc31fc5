/**
 * gRPC metadata in its wire form: name, value, name, value, … Names are in lower case. Values of names that end in `-bin`
 * stay in base64. Calls with equal header blocks share one array.
 */
export type Metadata = readonly string[];

export const noMetadata: Metadata = Object.freeze([]);

/** The first value of `name`, which is in lower case; undefined if the name is missing. */
export function metadataValue(metadata: Metadata, name: string): string | undefined {
  for (let i = 0; i < metadata.length; i += 2) {
    if (metadata[i] === name) return metadata[i + 1];
  }
  return undefined;
}
