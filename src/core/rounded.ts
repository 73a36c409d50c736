/**
 * A measured figure as it is decided on and stored: six significant digits. Rounding comes first, so that who decides
 * again from what was stored sees the very same number.
 */
export const rounded = (value: number): number => Number(value.toPrecision(6));
