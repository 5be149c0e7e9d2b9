//! Curves of a training that belong in one chart, for TensorBoard's Custom Scalars.

use gedanken_env::Spec;
use gedanken_run::Chart;

/// The charts of a training in an environment.
pub fn charts(spec: &Spec) -> Vec<Chart> {
    let chart = |group: &str, title: &str, curves: &[String]| Chart {
        group: group.to_owned(),
        title: title.to_owned(),
        curves: curves.to_vec(),
    };
    let one = |group: &str, title: &str, curves: &str| chart(group, title, &[curves.to_owned()]);
    let mut all = vec![
        chart(
            "Success",
            "success, with floors and ceilings at the end",
            &["eval/[^/]*/success$".to_owned(), "final/[^/]*/success$".to_owned()],
        ),
        one("Success", "distance at the end", "eval/[^/]*/final_distance"),
        one("Learning", "what shapes latents", "loss/(?!total|distance|probe|actor|ensemble|decoder)"),
        one("Learning", "heads on detached latents", "loss/(distance|probe|actor|ensemble|decoder)"),
        one("Learning", "gradients", "gradient/.*"),
        one("Learning", "collapse: effective rank, dead dimensions", "latent/(effective_rank|dead_dimensions)"),
        one("Imagination", "error of imagined latents, training and validation", "imagine/(training|validation)_.*"),
        one("Imagination", "pushes, imagined and true", "push/.*"),
    ];
    for label in &spec.labels {
        let name = &label.name;
        all.push(one("Probes", &format!("{name}, {}", label.unit), &format!("probe/{name}$")));
        let title = format!("{name} after an event: imagined, seen, if nothing moved");
        all.push(one("Imagination", &title, &format!("imagine/{name}/(imagined|seen|still)_1")));
    }
    all.push(one("Time", "milliseconds of an update", "milliseconds/.*"));
    all
}
