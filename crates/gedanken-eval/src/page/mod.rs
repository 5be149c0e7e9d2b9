//! An evaluation as a page for a browser: one file, that needs nothing beside it.

mod chart;
mod findings;

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use gedanken_run::{TrackError, curves};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use crate::page::chart::{interval, line};
use crate::page::findings::{Finding, findings};
use crate::{Report, Row};

const STYLE: &str = include_str!("style.css");

/// The beginning of the names of the curves that a page draws, and their headings.
const CURVES: [(&str, &str); 6] = [
    ("loss/", "Loss"),
    ("eval/model/success", "Success in training"),
    ("probe/", "Error of the probe in training"),
    ("imagine/", "Imagination in training"),
    ("latent/", "Latents"),
    ("gradient/", "Norm of the gradient"),
];

/// The page of a report: the model beside floors and ceilings, films (a verdict and a GIF of every task from the first on), the curves of the `run`'s folder,
/// findings in words, the protocol, and of `told`, the report as it was written, the table `provenance`, if there is one.
///
/// # Errors
/// [`TrackError`]: metrics that cannot be read.
pub fn page(report: &Report, told: &Value, films: &[(String, &[u8])], run: &Path) -> Result<String, TrackError> {
    let title = format!("{} after {} updates", report.env, report.step);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (heading(report, &title))
                    @if !report.rows.is_empty() { (rows(report)) }
                    (pictures(films))
                    (words(&findings(report)))
                    (training(run)?)
                    (small_print(report, told))
                }
            }
        }
    };
    Ok(page.into_string())
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn between([low, high]: [f64; 2]) -> String {
    format!("{:.0}–{:.0} %", 100.0 * low, 100.0 * high)
}

fn heading(report: &Report, title: &str) -> Markup {
    html! {
        header {
            p.kind { "Gedanken " (report.version) }
            h1 { (title) }
            @if let Some(row) = report.headline() {
                p.headline {
                    strong { (percent(row.success)) }
                    span { " of " (row.episodes.len()) " tasks solved; 95 % interval " (between(row.interval)) }
                }
            }
            @if let (None, Some(found)) = (report.headline(), &report.worthiness) {
                p.headline {
                    strong { (percent(found.retrieval.found)) }
                    span { " of " (found.retrieval.count) " true futures found among " (found.retrieval.among) "; 95 % interval " (between(found.retrieval.interval)) }
                }
            }
            p { (report.protocol_in_words()) }
            @for remark in &report.remarks { p.remark { (remark) } }
            @if let Some(blame) = &report.blame { p.blame { (blame.sentence) } }
        }
    }
}

fn rows(report: &Report) -> Markup {
    let or_dash = |number: Option<f64>, digits: usize| number.map_or("–".to_owned(), |x| format!("{x:.digits$}"));
    html! {
        section {
            h2 { "Beside floors and ceilings" }
            div.wide { table {
                thead { tr {
                    th {} th { "success" } th.bar {} th { "distance at the end" } th { "median steps" } th { "ms a plan" }
                    th { "steps imagined a task" }
                } }
                tbody { @for row in &report.rows {
                    tr {
                        th scope="row" title=(row.about) { (row.name) }
                        td { (percent(row.success)) }
                        td.bar { (interval(row.success, row.interval)) }
                        td { (format!("{:.2}", row.mean_final_distance)) }
                        td { (or_dash(row.median_steps, 0)) }
                        td { (or_dash(row.milliseconds_per_plan, 2)) }
                        td { (or_dash(row.evaluations_per_task, 0)) }
                    }
                    @for aside in asides(row) { tr.aside { th {} td colspan="6" { (aside) } } }
                } }
            } }
            dl.about { @for row in &report.rows { @if !row.about.is_empty() { dt { (row.name) } dd { (row.about) } } } }
        }
    }
}

/// Lines below a row.
fn asides(row: &Row) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(std) = row.seeds_std {
        let rates: Vec<String> = row.seeds.iter().map(|rate| percent(rate.success)).collect();
        lines.push(format!("seed by seed: {}; standard deviation {}", rates.join(", "), percent(std)));
    }
    if let Some(violated) = row.violated {
        let refused = row.refused.map_or(String::new(), |share| format!("; {} of plans refused", percent(share)));
        lines.push(format!("guardrails broken in {} of episodes{refused}", percent(violated)));
    }
    lines.extend(row.others.iter().map(|other| format!("also {other}")));
    lines
}

fn pictures(films: &[(String, &[u8])]) -> Markup {
    html! {
        @if !films.is_empty() {
            section {
                h2 { "Films" }
                div.films { @for (task, (verdict, film)) in films.iter().enumerate() {
                    figure {
                        img alt=(format!("Film of task {task}"))
                            src=(format!("data:image/gif;base64,{}", BASE64_STANDARD.encode(film)));
                        figcaption { b { "Task " (task) } ": " (verdict) }
                    }
                } }
            }
        }
    }
}

fn words(findings: &[Finding]) -> Markup {
    html! {
        @if !findings.is_empty() {
            section {
                h2 { "Findings" }
                ul.findings { @for finding in findings {
                    li class=(finding.verdict.name()) {
                        b { (finding.found) }
                        p { (finding.meaning) }
                    }
                } }
            }
        }
    }
}

fn training(run: &Path) -> Result<Markup, TrackError> {
    let all = curves(run)?;
    let of =
        |head: &str| all.iter().filter(|(name, points)| name.starts_with(head) && points.len() > 1).collect::<Vec<_>>();
    Ok(html! {
        @for (head, title) in CURVES {
            @let curves = of(head);
            @if !curves.is_empty() {
                section {
                    h2 { (title) }
                    div.curves { @for (name, points) in curves {
                        figure {
                            figcaption { (name) }
                            (line(points))
                        }
                    } }
                }
            }
        }
    })
}

fn small_print(report: &Report, told: &Value) -> Markup {
    let table = |title: &str, value: Value| {
        let mut lines = Vec::new();
        flatten("", &value, &mut lines);
        html! {
            @if !lines.is_empty() {
                details {
                    summary { (title) }
                    div.wide { table.keys { tbody { @for (key, value) in &lines { tr { th scope="row" { (key) } td { (value) } } } } } }
                }
            }
        }
    };
    let value = |part: Result<Value, serde_json::Error>| part.unwrap_or_default();
    html! {
        section {
            h2 { "How it was measured" }
            (table("Protocol", value(serde_json::to_value(&report.protocol))))
            (table("Planner", value(serde_json::to_value(&report.planner))))
            (table("Provenance", told["provenance"].clone()))
        }
    }
}

/// The leaves of a JSON value, each with the way to it.
fn flatten(key: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let inside = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(table) => table.iter().for_each(|(name, value)| flatten(&inside(name), value, lines)),
        Value::String(text) => lines.push((key.to_owned(), text.clone())),
        Value::Array(values) if values.is_empty() => {}
        other => lines.push((key.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_told_leaf_by_leaf() {
        let mut lines = Vec::new();
        flatten("", &json!({ "a": { "b": 1, "c": null, "d": [] }, "e": "text", "f": [1, 2] }), &mut lines);
        let told: Vec<String> = lines.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(told, ["a.b=1", "e=text", "f=[1,2]"]);
    }
}
