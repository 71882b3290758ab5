/** Says what is wrong with a field: its path in the inputs, and what it must be. */
export type Complain = (path: PropertyKey[], message: string) => void;
