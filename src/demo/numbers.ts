/** The smallest divisor above 1: the number itself when it is prime. Trial division, so meant for numbers below 1e9. */
export function smallestFactor(n: number): number {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return divisor;
  return n;
}

export const isPrime = (n: number): boolean => n > 1 && smallestFactor(n) === n;

/** Whether replacing a number by the sum of its squared digits, again and again, arrives at 1. Every unhappy number meets 4 on its way. */
export function isHappy(n: number): boolean {
  let current = n;
  while (current > 6) {
    let sum = 0;
    for (let rest = current; rest > 0; rest = Math.floor(rest / 10)) sum += (rest % 10) ** 2;
    current = sum;
  }
  return current === 1;
}

/** Every happy number of the closed interval. */
export function happyNumbers(first: number, last: number): number[] {
  const found: number[] = [];
  for (let n = first; n <= last; n++) if (isHappy(n)) found.push(n);
  return found;
}
