//! Fonts and colours of a page.

use std::fmt::Write;

use crate::render::palette::{DARK, LEVELS, LIGHT, Theme};

const SHAPES: &str = "\
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;\
font-variant-numeric:tabular-nums}
main,footer{max-width:50rem;margin:0 auto;padding:0 1.5rem}
main{padding-top:2rem}
h1{margin:0 0 .25rem;font-size:1.6rem;line-height:1.25;font-weight:600;overflow-wrap:anywhere}
h2{margin:0 0 .5rem;font-size:1rem;font-weight:600;overflow-wrap:anywhere}
h1 .figure,h2 span{font-weight:400}
h2 span{white-space:pre-wrap}
p{margin:.25rem 0;overflow-wrap:anywhere}
section,.attention{margin:1.5rem 0 0;padding-top:1.25rem;border-top:1px solid}
code{font:.92em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.quiet,footer{font-size:.8125rem}
.text{margin:.75rem 0;font-size:1.125rem;line-height:1.9;white-space:pre-wrap}
.text span,.chips li{border-radius:2px;padding:.1em 0}
.text .for,.text .against{box-decoration-break:clone;-webkit-box-decoration-break:clone}
.text b{padding-inline:.35em .6em;font-size:.8125rem;font-weight:400;white-space:nowrap;user-select:none}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(18rem,100%),1fr));gap:0 2rem}
.pair>div{min-width:0}
.long{max-height:70vh;overflow-y:auto}
.for,.against{border-bottom:2px solid transparent}
.against{border-bottom-style:dotted}
.chips{display:flex;flex-wrap:wrap;gap:.5rem;margin:.5rem 0;padding:0;list-style:none;font-size:.8125rem}
.chips li{padding:.1rem .6rem;outline:1px solid}
.legend{display:flex;flex-wrap:wrap;align-items:center;gap:.15rem .5rem;margin:.75rem 0}
.legend .scale{display:inline-flex}
.legend .scale+.scale{margin-left:-.3rem}
.legend i{width:.7rem;height:.8rem;border:0}
table{width:100%;table-layout:fixed;margin:1rem 0 .75rem;border-collapse:collapse;font-size:.875rem}
caption{padding-bottom:.35rem;text-align:start;font-size:.8125rem}
th,td{padding:.15rem .75rem .15rem 0;text-align:start;vertical-align:top;font-weight:400}
thead th{font-size:.8125rem}
tbody tr{border-top:1px solid}
th:first-child{width:32%;overflow-wrap:anywhere}
th+th,tbody th+td{width:6rem;padding-inline-end:1.5rem;text-align:end;white-space:nowrap}
td:last-child{padding-right:0}
.bars{display:block;width:100%;height:1rem;margin-top:.15rem;overflow:visible}
.axis{stroke-width:1}
.agreement th+th,.agreement tbody td{width:auto;padding-inline-end:0;text-align:end;white-space:normal}
.errors th+th,.errors tbody th+td{width:9.5rem}
small{font-size:.8125rem}
summary{cursor:pointer;font-size:.875rem}
.warning{margin:1rem 0 0;padding:.5rem .75rem;border:1px solid;border-inline-start-width:4px;font-size:.875rem}
.attention{position:relative;left:50%;width:max-content;min-width:100%;max-width:calc(100vw - 3rem);margin-inline:0;\
overflow-x:auto;transform:translateX(-50%)}
.attention svg{display:block;margin:-2rem 0 0 -28px}
footer{margin-top:1.5rem;padding-bottom:2rem;overflow-wrap:anywhere}
@media print{details>*{display:block}.long{max-height:none;overflow:visible}}
";

/// The rules of a page.
pub fn rules() -> String {
    let mut out = format!(":root{{color-scheme:light dark}}\n{SHAPES}");
    colours(&mut out, &LIGHT);
    out.push_str("@media (prefers-color-scheme:dark){\n");
    colours(&mut out, &DARK);
    out.push_str("}\n");
    out
}

fn colours(out: &mut String, theme: &Theme) {
    let (paper, ink, quiet, rule) = (theme.paper.hex(), theme.ink.hex(), theme.quiet.hex(), theme.rule.hex());
    let (mark_for, mark_against) = (theme.mark_for.hex(), theme.mark_against.hex());
    let _ = write!(
        out,
        "body{{background:{paper};color:{ink}}}\n\
         .quiet,footer,caption,thead th,.text s,.text b,small{{color:{quiet}}}\n\
         section,.attention,tbody tr{{border-color:{rule}}}.chips li{{outline-color:{rule}}}\n\
         .for{{border-color:{mark_for}}}.against,.warning{{border-color:{mark_against}}}\n\
         .bar.for{{fill:{mark_for}}}.bar.against{{fill:{mark_against}}}.axis{{stroke:{quiet}}}.whisker{{stroke:{ink}}}\n\
         .band{{fill:{rule};stroke:{quiet}}}\n"
    );
    for level in 1..=LEVELS {
        let (speaks_for, against) = (theme.tint(true, level).hex(), theme.tint(false, level).hex());
        let _ = writeln!(
            out,
            ".for.s{level}{{background:{speaks_for}}}.against.s{level}{{background:{against}}}"
        );
    }
}
