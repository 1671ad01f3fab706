/** The key that the CLI itself calls its own gateway with (`smoke`, `bench`): made by `init`, 0600, id `cli`. */
export const cliKeyFile = (home: string): string => `${home}/gateway/cli-key`;
