const NAME = String.raw`\p{Lu}[\p{L}\p{M}'’-]{1,40}(?:\s{1,3}(?:(?:van|von|de|del|der|den|da|di|la|le|bin|al)\s)?\p{Lu}[\p{L}\p{M}'’.-]{0,40}){0,3}`;

/** Words that a name follows. What follows a greeting or a title must look like a name; anything may be one after "my name is". */
const BEFORE = [
  String.raw`(?<![\p{L}])(?:[Dd]ear|DEAR|[Hh]i|[Hh]ello|[Hh]ey|[Gg]reetings|[Mm]rs?\.?|[Mm]s\.?|[Dd]r\.?|[Pp]rof\.?|[Hh]err|[Ff]rau|[Mm]adame|[Mm]onsieur|[Ss]eñora?)[, ]\s{0,2}`,
  String.raw`(?:[Mm]y name is|[Mm]y name's|[Nn]amed?:|[Mm]ein Name ist|[Ii]ch heiße|[Jj]e m['’]appelle|[Mm]on nom est|[Mm]e llamo|[Mm]i nombre es|[Mm]i chiamo|[Mm]eu nome é)\s{1,3}`,
  String.raw`(?:[Rr]egards|[Ss]incerely|[Cc]heers|[Bb]est wishes|[Mm]any thanks|Mit freundlichen Grüßen|[Cc]ordialement|[Ss]aludos),?\s{1,4}`,
];
const NAMES = new RegExp(`(${BEFORE.join("|")})${NAME}`, "gu");

/** Replaces names where the words before them say that they are names. No more: lists of names take words for people in every second sentence. */
export const withoutNames = (text: string): string => text.replace(NAMES, "$1[NAME]");
