//! Curves as a picture: SVG, one panel for each, both axes logarithmic. Measures nothing.

use crate::scale::Curve;
use std::fmt::Write;

const PANEL: (f64, f64) = (430.0, 270.0);
/// Left, right, top, bottom of what is drawn in a panel.
const MARGIN: (f64, f64, f64, f64) = (56.0, 24.0, 34.0, 40.0);
const COPY: &str = "#8a8f98";
const DEFAULT: &str = "#1f6feb";

pub fn svg(title: &str, curves: &[Curve]) -> String {
    let lines = curves.len().div_ceil(2) as f64;
    let (width, height) = (2.0 * PANEL.0, lines * PANEL.1 + 40.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    text(&mut svg, (12.0, 18.0), "start", "#555", title);
    for (name, colour, x) in [
        ("plain copy", COPY, 12.0),
        ("Holdfast, default preset", DEFAULT, 110.0),
    ] {
        writeln!(
            svg,
            "<rect x=\"{x}\" y=\"26\" width=\"14\" height=\"4\" fill=\"{colour}\"/>"
        )
        .expect("a text");
        text(&mut svg, (x + 19.0, 32.0), "start", colour, name);
    }
    for (position, curve) in curves.iter().enumerate() {
        let corner = (
            (position % 2) as f64 * PANEL.0,
            (position / 2) as f64 * PANEL.1 + 40.0,
        );
        panel(&mut svg, corner, curve);
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, corner: (f64, f64), curve: &Curve) {
    let steps: Vec<f64> = curve.steps.iter().map(|step| f64::from(*step)).collect();
    let across = Scale::of(&steps, corner.0 + MARGIN.0, corner.0 + PANEL.0 - MARGIN.1);
    let values = [&curve.copy[..], &curve.default[..]].concat();
    let up = Scale::of(&values, corner.1 + PANEL.1 - MARGIN.3, corner.1 + MARGIN.2);
    let heading = format!("CPU in µs per request, over {}", curve.over);
    text(
        svg,
        (across.low_at, corner.1 + 20.0),
        "start",
        "#222",
        &heading,
    );
    for decade in up.decades() {
        let y = up.at(decade);
        rule(svg, (across.low_at, y), (across.high_at, y));
        text(
            svg,
            (across.low_at - 6.0, y + 4.0),
            "end",
            "#555",
            &number(decade),
        );
    }
    for step in &steps {
        let x = across.at(*step);
        rule(svg, (x, up.low_at), (x, up.low_at + 4.0));
        text(svg, (x, up.low_at + 17.0), "middle", "#555", &number(*step));
    }
    for (values, colour) in [(&curve.copy, COPY), (&curve.default, DEFAULT)] {
        let points: Vec<(f64, f64)> = steps
            .iter()
            .zip(values)
            .map(|(step, value)| (across.at(*step), up.at(*value)))
            .collect();
        let line: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        )
        .expect("a text");
        for (x, y) in points {
            writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
            )
            .expect("a text");
        }
    }
}

/// Logarithmic, between two whole powers of ten.
struct Scale {
    low: f64,
    high: f64,
    low_at: f64,
    high_at: f64,
}

impl Scale {
    fn of(values: &[f64], low_at: f64, high_at: f64) -> Scale {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        let low = least.log10().floor();
        Scale {
            low,
            high: most.log10().ceil().max(low + 1.0),
            low_at,
            high_at,
        }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.log10() - self.low) / (self.high - self.low);
        self.low_at + share * (self.high_at - self.low_at)
    }

    fn decades(&self) -> Vec<f64> {
        (self.low as i32..=self.high as i32)
            .map(|power| 10_f64.powi(power))
            .collect()
    }
}

fn number(value: f64) -> String {
    match value {
        value if value >= 1_000.0 => {
            format!("{} {:03}", value as u64 / 1_000, value as u64 % 1_000)
        }
        value => format!("{value}"),
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, text: &str) {
    writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>"
    )
    .expect("a text");
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    writeln!(
        svg,
        "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"#ddd\"/>",
        from.0, from.1, to.0, to.1
    )
    .expect("a text");
}
