//! The page at the admin port's root (floor 6): three files without a build chain, shown from `/report`. The sentence at its
//! top is written here, so that it is read without a script, too.

use super::report::{Need, Report};

const HTML: &str = include_str!("page.html");
pub const SCRIPT: &str = include_str!("page.js");
pub const STYLE: &str = include_str!("page.css");

/// Nothing from elsewhere, nothing inline, in nobody's frame.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page with what needs a human now.
pub fn html(report: &Report) -> String {
    let urgent = report.needs.iter().filter(|need| need.level != "know");
    let headline = match urgent.count() {
        0 => "Nothing needs a human.".to_owned(),
        1 => "One thing needs a human.".to_owned(),
        urgent => format!("{urgent} things need a human."),
    };
    let needs: String = report.needs.iter().map(item).collect();
    let page = HTML.replace("<!--headline-->", &headline);
    page.replace("<!--needs-->", &needs)
}

fn item(need: &Need) -> String {
    let (kind, word) = match need.level.as_str() {
        "act" => ("act", "▲ Act"),
        "know" => ("know", "● Know"),
        _ => ("look", "◆ Look"),
    };
    let text = escaped(&need.text);
    format!("<li class=\"{kind}\"><b>{word}</b> {text}</li>")
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_human_is_in_the_page_itself_and_its_names_are_text() {
        let report = Report {
            needs: vec![Need {
                level: "act".into(),
                text: "Exemption <img src=x onerror=\"1\"> & more".into(),
            }],
            ..Report::default()
        };
        let page = html(&report);
        assert!(page.contains(">One thing needs a human.<"), "{page}");
        assert!(page.contains("Exemption &lt;img src=x onerror=&quot;1&quot;&gt; &amp; more</li>"));
        assert!(!page.contains("<img"));
    }

    #[test]
    fn nothing_in_the_page_asks_another_server_or_makes_markup_of_names() {
        for text in [HTML, SCRIPT, STYLE] {
            for word in [
                "https:",
                "@import",
                "url(",
                "innerHTML",
                "outerHTML",
                "eval(",
                "style=",
                " onclick",
            ] {
                assert!(!text.contains(word), "{word}");
            }
        }
    }
}
