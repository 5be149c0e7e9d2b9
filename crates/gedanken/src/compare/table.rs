//! A comparison as a table: for a terminal, Markdown, LaTeX, CSV.

use std::collections::BTreeSet;

use super::{Comparison, Group};

/// The form of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns.
    Plain,
    /// Markdown, the best rate bold.
    Markdown,
    /// LaTeX with booktabs, the best rate bold.
    Latex,
    /// Comma-separated, rates from 0 to 1.
    Csv,
}

/// A column: its heading, and what a group has in it.
struct Column<'a> {
    heading: String,
    cell: Box<dyn Fn(&Group) -> String + 'a>,
}

fn column<'a>(heading: impl Into<String>, cell: impl Fn(&Group) -> String + 'a) -> Column<'a> {
    Column { heading: heading.into(), cell: Box::new(cell) }
}

impl Comparison {
    /// The table, with a column for each of these curves.
    pub fn table(&self, format: Format, curves: &[String]) -> String {
        if format == Format::Csv {
            return self.csv(curves);
        }
        let columns = self.columns(curves);
        let best = self.groups.iter().map(|group| group.rate).fold(f64::NEG_INFINITY, f64::max);
        let mut rows = vec![columns.iter().map(|column| column.heading.clone()).collect::<Vec<_>>()];
        for group in &self.groups {
            let mut row: Vec<String> = columns.iter().map(|column| (column.cell)(group)).collect();
            if format == Format::Latex {
                row.iter_mut().for_each(|cell| *cell = latex(cell));
            }
            if group.rate == best && self.groups.len() > 1 {
                row[1] = match format {
                    Format::Markdown => format!("**{}**", row[1]),
                    Format::Latex => format!("\\textbf{{{}}}", row[1]),
                    _ => row[1].clone(),
                };
            }
            rows.push(row);
        }
        let notes = self.notes();
        match format {
            Format::Markdown => markdown(&rows, &notes),
            Format::Latex => latex_table(&rows, &notes),
            _ => plain(&rows, &notes),
        }
    }

    fn columns<'a>(&'a self, curves: &'a [String]) -> Vec<Column<'a>> {
        let several = self.groups.iter().any(|group| group.of_seeds.is_some());
        let [rate, tasks, distance] = self.measure.names();
        let mut columns = vec![
            column(if self.by.is_empty() { "" } else { "by" }, |group| group.label.clone()),
            column(rate, |group| percent(group.rate)),
            column(format!("95 % over {tasks}"), |group| interval(Some(group.of_tasks))),
        ];
        if several {
            columns.push(column("95 % over seeds", |group| interval(group.of_seeds)));
        }
        if self.groups.iter().any(|group| group.paired.is_some()) {
            columns.push(column("p", paired));
        }
        columns.push(column("runs", |group| group.runs.len().to_string()));
        columns.push(column(tasks, |group| group.tasks().to_string()));
        columns.push(column(distance, |group| number(group.mean(|run| run.distance), 2)));
        let probes = self.probes();
        if !probes.is_empty() {
            columns.push(column(probe_heading(&probes), move |group| {
                let of = |(label, _): &(String, String)| number(probe(group, label), 2);
                probes.iter().map(of).collect::<Vec<_>>().join(" / ")
            }));
        }
        columns.push(column("updates", updates));
        columns.push(column("training", |group| time(group.mean(|run| run.seconds))));
        for curve in curves {
            columns.push(column(curve, move |group| number(group.mean(|run| run.metrics.get(curve).copied()), 3)));
        }
        columns
    }

    /// The labels that are probed in any run, with their units, in the order of the reports.
    fn probes(&self) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        for probe in self.groups.iter().flat_map(|group| &group.runs).flat_map(|run| &run.probes) {
            if found.iter().all(|(label, _)| *label != probe.label) {
                found.push((probe.label.clone(), probe.unit.clone()));
            }
        }
        found
    }

    /// The lines below a table.
    fn notes(&self) -> Vec<String> {
        let [_, tasks, _] = self.measure.names();
        let mut notes = Vec::new();
        if !self.protocol.is_empty() {
            notes.push(format!("{}.", self.protocol));
        }
        notes.push(format!(
            "Over {tasks}: Wilson's interval of all {tasks} together; what other {tasks} might give these models."
        ));
        let seeds = self.groups.iter().any(|group| group.of_seeds.is_some());
        if seeds {
            notes.push(format!(
                "Over seeds: Student's interval of the mean over runs; what other seeds might give on these {tasks}."
            ));
        }
        if self.groups.iter().any(|group| group.paired.is_some()) {
            let seeds = if seeds { "; it does not know the spread of seeds" } else { "" };
            let about = "p: McNemar's exact test against the best on the same tasks, run by run";
            notes.push(format!("{about} (tasks that the best alone solved : that this one alone solved){seeds}."));
        }
        notes.extend(self.remarks.iter().map(|remark| format!("note: {remark}")));
        notes
    }

    /// Rates from 0 to 1, whole numbers, one row a group.
    fn csv(&self, curves: &[String]) -> String {
        let exact = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
        let end = |interval: Option<[f64; 2]>, end: usize| exact(interval.map(|interval| interval[end]));
        let [rate, tasks, distance] = self.measure.names();
        let mut columns = vec![column("label", |group| group.label.clone())];
        for (number, key) in self.by.iter().enumerate() {
            columns.push(column(key, move |group| {
                group.values[number]
                    .as_ref()
                    .map_or(String::new(), |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            }));
        }
        columns.extend([
            column("runs", |group: &Group| group.runs.len().to_string()),
            column(tasks, |group: &Group| group.tasks().to_string()),
            column(rate, |group: &Group| group.rate.to_string()),
            column(format!("{tasks}_low"), move |group: &Group| end(Some(group.of_tasks), 0)),
            column(format!("{tasks}_high"), move |group: &Group| end(Some(group.of_tasks), 1)),
            column("seeds_low", move |group: &Group| end(group.of_seeds, 0)),
            column("seeds_high", move |group: &Group| end(group.of_seeds, 1)),
            column("best_alone", |group: &Group| group.paired.map_or(String::new(), |p| p.best_alone.to_string())),
            column("own_alone", |group: &Group| group.paired.map_or(String::new(), |p| p.own_alone.to_string())),
            column("p", move |group: &Group| exact(group.paired.map(|paired| paired.p))),
            column(distance, move |group: &Group| exact(group.mean(|run| run.distance))),
            column("updates", move |group: &Group| exact(group.mean(|run| run.step.map(|step| step as f64)))),
            column("training_seconds", move |group: &Group| exact(group.mean(|run| run.seconds))),
        ]);
        for (label, _) in self.probes() {
            columns.push(column(format!("probe_{label}"), move |group| exact(probe(group, &label))));
        }
        for curve in curves {
            columns.push(column(curve, move |group| exact(group.mean(|run| run.metrics.get(curve).copied()))));
        }
        let quoted = |text: String| match text.contains([',', '"', '\n']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text,
        };
        let line = |cells: Vec<String>| cells.into_iter().map(quoted).collect::<Vec<_>>().join(",");
        let mut lines = vec![line(columns.iter().map(|column| column.heading.clone()).collect())];
        lines.extend(self.groups.iter().map(|group| line(columns.iter().map(|column| (column.cell)(group)).collect())));
        lines.join("\n")
    }
}

/// `probe agent / wall / door, px`; each with its unit, where they have several.
fn probe_heading(probes: &[(String, String)]) -> String {
    let all = |label: &dyn Fn(&(String, String)) -> String| probes.iter().map(label).collect::<Vec<_>>().join(" / ");
    match probes.iter().all(|(_, unit)| *unit == probes[0].1) {
        true => format!("probe {}, {}", all(&|(label, _)| label.clone()), probes[0].1),
        false => format!("probe {}", all(&|(label, unit)| format!("{label}, {unit}"))),
    }
}

fn probe(group: &Group, label: &str) -> Option<f64> {
    group.mean(|run| run.probes.iter().find(|probe| probe.label == label).map(|probe| probe.rmse))
}

fn percent(x: f64) -> String {
    format!("{:.1} %", 100.0 * x)
}

fn interval(interval: Option<[f64; 2]>) -> String {
    interval.map_or("-".to_owned(), |[low, high]| format!("{:.1} to {:.1} %", 100.0 * low, 100.0 * high))
}

fn number(x: Option<f64>, digits: usize) -> String {
    x.map_or("-".to_owned(), |x| format!("{x:.digits$}"))
}

/// `0.012 (19:6)`; the best has none.
fn paired(group: &Group) -> String {
    group.paired.map_or("-".to_owned(), |paired| {
        let p = if paired.p < 0.001 { format!("{:.0e}", paired.p) } else { format!("{:.3}", paired.p) };
        format!("{p} ({}:{})", paired.best_alone, paired.own_alone)
    })
}

/// One number where it is the same in all runs, else from the least to the most.
fn updates(group: &Group) -> String {
    let steps: BTreeSet<u64> = group.runs.iter().filter_map(|run| run.step).collect();
    match (steps.first(), steps.last()) {
        (Some(least), Some(most)) if least == most => least.to_string(),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "-".to_owned(),
    }
}

fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 120.0 => format!("{seconds:.0} s"),
        Some(seconds) if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        Some(seconds) => format!("{:.1} h", seconds / 3600.0),
    }
}

fn plain(rows: &[Vec<String>], notes: &[String]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut lines: Vec<String> = Vec::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        lines.push(cells.collect::<Vec<_>>().join("  ").trim_end().to_owned());
    }
    lines.extend_from_slice(notes);
    lines.join("\n")
}

fn markdown(rows: &[Vec<String>], notes: &[String]) -> String {
    let line = |row: &Vec<String>| {
        format!("| {} |", row.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))
    };
    let mut lines = vec![line(&rows[0]), format!("|{}", "---|".repeat(rows[0].len()))];
    lines.extend(rows[1..].iter().map(line));
    lines.push(String::new());
    lines.push(notes.join("\n"));
    lines.join("\n")
}

fn latex_table(rows: &[Vec<String>], notes: &[String]) -> String {
    let mut lines: Vec<String> = notes.iter().map(|note| format!("% {note}")).collect();
    lines.push(format!("\\begin{{tabular}}{{l{}}}", "r".repeat(rows[0].len() - 1)));
    lines.push("\\toprule".to_owned());
    let line = |cells: Vec<String>| format!("{} \\\\", cells.join(" & "));
    lines.push(line(rows[0].iter().map(|cell| latex(cell)).collect()));
    lines.push("\\midrule".to_owned());
    lines.extend(rows[1..].iter().map(|row| line(row.clone())));
    lines.push("\\bottomrule".to_owned());
    lines.push("\\end{tabular}".to_owned());
    lines.join("\n")
}

/// Text with LaTeX's own letters escaped.
fn latex(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '%' | '_' | '&' | '#' | '$' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '…' => out.push_str("\\ldots{}"),
            c => out.push(c),
        }
        out
    })
}
