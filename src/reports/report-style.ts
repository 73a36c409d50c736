/** The look of the HTML report: system fonts, light and dark, cards instead of columns on a phone. */
export const STYLE = `
:root{color-scheme:light dark;--ink:#1a1d21;--soft:#545b66;--paper:#fff;--line:#d9dde3;--card:#f6f7f9;--bad:#b3261e;--warn:#8a5a00;--good:#1b6e3c;--mark:#2f5fb3}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a3abb7;--paper:#14161a;--line:#343a43;--card:#1c2026;--bad:#ff8a80;--warn:#f0b95b;--good:#7ed3a1;--mark:#8ab0f5}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.25rem;max-width:70rem;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0}h2{font-size:1.2rem;margin:2rem 0 .5rem}h3{font-size:1.05rem;margin:0}
p{margin:.35rem 0}.soft{color:var(--soft);font-size:.9rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin:.6rem 0;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.2rem 0}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line);font-weight:400}
thead th{color:var(--soft);font-size:.85rem;white-space:nowrap}tbody th{font-weight:600}
td.n{white-space:nowrap}
section.segment{border:1px solid var(--line);border-left-width:.35rem;border-radius:.4rem;padding:.9rem 1rem;margin:1rem 0;background:var(--card)}
.degraded{border-left-color:var(--bad)!important}.waiting,.worse{border-left-color:var(--warn)!important}.moved{border-left-color:var(--mark)!important}.fine{border-left-color:var(--good)!important}
.badge{display:inline-block;border:1px solid currentcolor;border-radius:1rem;padding:0 .6rem;font-size:.8rem;margin-left:.4rem;vertical-align:middle}
.badge.degraded{color:var(--bad)}.badge.waiting,.badge.worse{color:var(--warn)}.badge.moved{color:var(--mark)}.badge.fine{color:var(--good)}.badge.unknown,.badge.idle{color:var(--soft)}
svg{width:7.5rem;height:1.75rem;vertical-align:middle}polyline{fill:none;stroke:var(--mark);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
a{color:var(--mark)}code{font-size:.9em}ul{margin:.3rem 0;padding-left:1.2rem}
@media(max-width:38rem){body{padding:.75rem}section.segment{padding:.7rem}}
@media print{body{max-width:none}section.segment{break-inside:avoid}}
`;
