//! Keys of earlier versions, and where they are now.

/// Where a key of an earlier version is now, if it is one.
pub(super) fn moved(key: &str) -> Option<&'static str> {
    MOVED.iter().find(|(old, _)| *old == key).map(|(_, now)| *now)
}

const MOVED: &[(&str, &str)] = &[
    (
        "regularizer",
        "its terms are tables of the loss: [loss.variance] weight, margin; [loss.covariance] weight; \
         [loss.time_similarity] weight; [loss.sigreg] weight, projections",
    ),
    ("inverse_dynamics", "it is a term of the loss: [loss.inverse_dynamics] weight, hidden"),
    ("distance", "it is a term of the loss: [loss.distance]; enabled = false is weight = 0"),
    ("ensemble", "it is a term of the loss: [loss.ensemble] members"),
    ("probe", "it is a term of the loss: [loss.probe] channels, hidden"),
    ("prediction.weight", "it is loss.prediction.weight"),
    ("eval.objectives", "its weights are the table [eval.objective], by the objectives' names, such as latent-l1"),
    ("planner.learning_rate", "the length of polishing's first step is planner.polish_rate"),
    ("planner.min_std", "the noise of a descent's steps is planner.noise"),
    ("planner.smoothness", "the noise of icem is planner.color"),
];
