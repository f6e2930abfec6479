--- The style of a report: light and dark, from a phone to paper. Colours of runs are told apart by every eye (after
-- Okabe and Ito); from the seventh run on they repeat with dashes.
return [[
:root{color-scheme:light dark;--ink:#1c2127;--soft:#59636e;--line:#d5dae0;--page:#fff;--sheet:#f5f7f9;--band:#eef1f4;
--c1:#0072b2;--c2:#d55e00;--c3:#007a5a;--c4:#b0579a;--c5:#8a6d00;--c6:#3b3f8f;--good:#007a5a;--bad:#c23b22}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#a0a9b3;--line:#3a424b;--page:#14181c;
--sheet:#1d2329;--band:#1f262d;--c1:#56b4e9;--c2:#f28c50;--c3:#2cc295;--c4:#e29ac4;--c5:#e6b422;--c6:#a7a9f5;
--good:#2cc295;--bad:#f07b66}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1240px;padding:16px;background:var(--page);color:var(--ink);
font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:1.6em 0 .5em;border-bottom:1px solid var(--line);
padding-bottom:.2em}h3{font-size:1rem;margin:1.2em 0 .4em}
p{margin:.4em 0}.note,small{color:var(--soft)}.note{font-size:.87rem}
.warning{border-left:4px solid var(--bad);padding-left:.6em}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:12px 20px;margin:.4em 0}
figure{margin:0;min-width:0;break-inside:avoid}figcaption{color:var(--soft);font-size:.93rem}
figcaption b{color:var(--ink)}
svg{display:block;width:100%;height:auto;max-width:480px;font-size:10.5px;fill:var(--soft)}
svg .label{font-weight:600}.grid svg .small{font-size:10px}
path.rule{stroke:var(--line);stroke-width:.6;fill:none}
path.axis{stroke:var(--soft);stroke-width:.8;fill:none}
.band.b0{fill:var(--band)}.band.b1{fill:none}.lane{fill:currentColor;opacity:.9}.lane.b1{opacity:.35}
.lines path{fill:none;stroke:currentColor;stroke-width:17;stroke-linejoin:round;stroke-linecap:round}
.lines .raw{opacity:.32;stroke-width:9}.lines .fine{stroke-width:9}.lines .valid{stroke-width:13;stroke-dasharray:38 28}
.lines .dots{stroke-dasharray:2 26;stroke-width:22}
.points{fill:none;stroke:currentColor;stroke-width:4;stroke-linecap:round;opacity:.45}
.label{fill:currentColor}.strip{fill:transparent}.strip:hover{fill:var(--soft);fill-opacity:.18}
.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}.c4{color:var(--c4)}.c5{color:var(--c5)}.c6{color:var(--c6)}
.lines .again{stroke-dasharray:60 40}
.mark{display:inline-block;min-width:1.5em;padding:0 .35em;border:2px solid currentColor;border-radius:.4em;
font-weight:700;font-size:.8rem;text-align:center}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.9rem;margin:.4em 0;overflow-wrap:normal}
th,td{padding:.2em .6em;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600}thead th{color:var(--soft);white-space:nowrap}td:first-child{white-space:nowrap}
.figures td,.confusion td{text-align:right;font-variant-numeric:tabular-nums}.figures td:nth-child(2){text-align:left}
.confusion{font-size:.75rem}.confusion th,.confusion td{padding:.2em .3em;text-align:center;
border:1px solid var(--line)}
.confusion td{background:rgb(0 114 178/calc(var(--s)*.85));min-width:2.2em}.confusion td.hi{color:#fff}
.rows td{vertical-align:middle}.rows img{display:block;image-rendering:pixelated;min-width:56px;max-width:96px;
border:1px solid var(--line)}
.facts th{white-space:nowrap}.right{color:var(--good)}.wrong{color:var(--bad)}
pre{overflow-x:auto;background:var(--sheet);border:1px solid var(--line);border-radius:6px;padding:.7em;margin:.4em 0;
font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:normal}
@media (max-width:480px){.confusion{font-size:.68rem}
.confusion th,.confusion td{padding:.2em .1em;min-width:1.9em}}
@media print{@page{margin:12mm}body{max-width:none;padding:0;font-size:10.5pt}
.grid{grid-template-columns:repeat(3,1fr);gap:8px}.grid.wide{grid-template-columns:repeat(2,1fr)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:8pt}
.scroll{overflow:visible}table{font-size:8.5pt}h2,h3{break-after:avoid}tr,img{break-inside:avoid}
.confusion{font-size:6.5pt}.confusion td,.band,.lane{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
]]
