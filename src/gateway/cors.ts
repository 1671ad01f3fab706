/** Settings for pages of other origins, whole: the Lua has no defaults of its own. */
export interface CorsOptions {
  /** 'https://app.example.com', or '*' for all. */
  readonly origins: readonly string[];
  /** How long a browser may remember what it was told, in seconds. */
  readonly maxAgeS: number;
}

export const corsOptions = (origins: readonly string[], maxAgeS = 600): CorsOptions => ({ origins, maxAgeS });
