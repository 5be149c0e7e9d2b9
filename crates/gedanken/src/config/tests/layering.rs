//! Defaults, `extends`, `--set`, and the way back to TOML.

use super::*;
use crate::config::{schema, splice_env, to_toml, unknown_keywords};

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(value("", &[]), Sample::default());
}

#[test]
fn the_sample_loads_with_every_value() {
    let sample = value(SAMPLE, &[]);
    assert_eq!((sample.name.as_str(), sample.seed, sample.device), ("everything", u64::MAX, Device::DiscreteGpu));
    assert_eq!(sample.env.name, "rooms");
    assert_eq!(sample.env.options["wall"], 20);
    assert_eq!(sample.env.options["door"], 16);
    assert_eq!(sample.env.factors["hue"], 0.5);
    let expected = Transformer { depth: 6, dropout: 0.25, causal: false, window: [2, 3] };
    assert_eq!(sample.predictor, Predictor::Transformer(expected));
    assert_eq!(sample.train.clip, Some(1.0));
    assert_eq!((sample.train.rate, sample.train.offset, sample.train.betas), (3e-4, -7, (0.8, 0.99)));
    let expected =
        vec![Regularizer::Variance { weight: 25.0 }, Regularizer::Covariance { weight: 1.5, every: Some(2) }];
    assert_eq!(sample.regularizers, expected);
    assert_eq!(sample.weights["far.away"], 0.5);
    assert_eq!(sample.teacher, Some(Predictor::Recurrent(Recurrent { dim: 64, hidden: Some(128) })));
    assert_eq!(sample.eval.budget, Budget::Scaled { factor: 1.5, least: 10 });
    assert_eq!(sample.eval.env.factors["hue"], 1.0);
}

#[test]
fn keys_that_are_left_out_keep_the_values_of_the_whole_default() {
    let sample = value("[predictor]\nhidden = 3", &[]);
    assert_eq!(sample.predictor, Predictor::Recurrent(Recurrent { dim: 24, hidden: Some(3) }));
    let sample = value("", &["predictor.hidden=3"]);
    assert_eq!(sample.predictor, Predictor::Recurrent(Recurrent { dim: 24, hidden: Some(3) }));
}

#[test]
fn a_default_at_its_bound_is_within_it() {
    assert_eq!(value("[train]\nrate = 0.1", &[]).train.rate, 0.1);
    assert_eq!(value("", &[]).train.rate, 0.1);
}

#[test]
fn toml_of_a_config_loads_to_the_same_config() {
    for sample in [Sample::default(), value(SAMPLE, &[]), value("", &["seed=7", "train.rate=0.01"])] {
        let text = to_toml(&sample).unwrap();
        assert_eq!(value(&text, &[]), sample, "{text}");
        assert_eq!(to_toml(&value(&text, &[])).unwrap(), text);
    }
    assert!(to_toml(&Sample::default()).unwrap().starts_with("name = \"sample\"\nseed = 0\n"));
    assert!(to_toml(&Sample::default()).unwrap().contains("rate = 0.1\n"));
}

#[test]
fn a_file_is_merged_over_the_file_it_extends() {
    let folder = folder(&[
        ("base/root.toml", "seed = 1\nname = \"root\"\n[train]\nsteps = 5\nmilestones = [1, 2, 3]\n"),
        ("base/middle.toml", "extends = \"root.toml\"\nname = \"middle\"\n[train]\nclip = 2\n"),
        ("top.toml", "extends = \"base/middle.toml\"\n[train]\nmilestones = [9]\n"),
    ]);
    let loaded = load_from(&folder.path().join("top.toml"), &["train.steps=6"]).unwrap();
    let sample = &loaded.value;
    assert_eq!((sample.seed, sample.name.as_str(), sample.train.steps), (1, "middle", 6));
    assert_eq!((&sample.train.milestones[..], sample.train.clip), (&[9][..], Some(2.0)));
    let file = |name: &str, line| Place::File { file: folder.path().join(name), line, column: None };
    assert_eq!(loaded.place("seed"), file("base/root.toml", 1));
    assert_eq!(loaded.place("name"), file("base/middle.toml", 2));
    assert_eq!(loaded.place("train.milestones[0]"), file("top.toml", 3));
    assert_eq!(loaded.place("train.steps"), Place::Set("train.steps=6".into()));
    assert_eq!(loaded.place("train.offset"), Place::Default);
    assert_eq!(loaded.place("eval.nothing.at.all"), Place::Default);
}

#[test]
fn a_problem_of_an_extended_file_is_told_of_that_file() {
    let folder = folder(&[("base.toml", "\nsed = 1"), ("top.toml", "extends = \"base.toml\"\nseed = true")]);
    let error = load_from(&folder.path().join("top.toml"), &[]).unwrap_err().to_string();
    assert!(error.contains("base.toml:2: sed: no such key"), "{error}");
    assert!(error.contains("top.toml:2: seed: found true"), "{error}");
}

#[test]
fn a_wrong_value_that_a_later_layer_replaces_is_no_problem() {
    let folder = folder(&[("base.toml", "seed = \"x\""), ("top.toml", "extends = \"base.toml\"\nseed = 2")]);
    assert_eq!(load_from(&folder.path().join("top.toml"), &[]).unwrap().value.seed, 2);
}

#[test]
fn a_table_of_another_kind_replaces_the_whole_table() {
    let base = "[predictor]\nkind = \"transformer\"\ndepth = 9\ndropout = 0.5\n";
    let over = "extends = \"base.toml\"\n[predictor]\nkind = \"recurrent\"\nhidden = 2\n";
    let same = "extends = \"base.toml\"\n[predictor]\nkind = \"transformer\"\ndepth = 8\n";
    let folder = folder(&[("base.toml", base), ("over.toml", over), ("same.toml", same)]);
    let over = load_from(&folder.path().join("over.toml"), &[]).unwrap().value;
    assert_eq!(over.predictor, Predictor::Recurrent(Recurrent { dim: 32, hidden: Some(2) }));
    let same = load_from(&folder.path().join("same.toml"), &[]).unwrap().value;
    let expected = Transformer { depth: 8, dropout: 0.5, ..Transformer::default() };
    assert_eq!(same.predictor, Predictor::Transformer(expected));
}

#[test]
fn files_that_extend_each_other_in_a_circle_are_refused() {
    let folder = folder(&[("a.toml", "\nextends = \"b.toml\""), ("b.toml", "extends = \"./a.toml\"")]);
    let error = load_from(&folder.path().join("a.toml"), &[]).unwrap_err();
    assert!(matches!(&error, ConfigError::Cycle { chain, .. } if chain.len() == 3), "{error}");
    assert!(error.to_string().contains("b.toml:1: extends: goes in a circle: "), "{error}");
    let own = load_text("extends = \"x.toml\"", &[]).unwrap_err();
    assert!(matches!(own, ConfigError::Cycle { .. }), "{own}");
}

#[test]
fn extends_is_the_name_of_a_file_and_only_at_the_top() {
    assert_refused("seed = 1\nextends = 3", &[], Some(2), "extends", "found 3; expected the name of a TOML file");
    assert_refused("[train]\nextends = \"a\"", &[], Some(2), "train.extends", "no such key");
    assert_refused("", &["extends=x.toml"], None, "extends", "no such key");
}

#[test]
fn a_missing_file_is_named_with_the_nearest_one() {
    let folder = folder(&[("two_rooms.toml", ""), ("other.toml", "\nextends = \"two_room.toml\"")]);
    let error = load_from(&folder.path().join("tow_rooms.toml"), &[]).unwrap_err().to_string();
    assert!(error.contains("tow_rooms.toml: no such file; did you mean `"), "{error}");
    assert!(error.ends_with("two_rooms.toml`?"), "{error}");
    let error = load_from(&folder.path().join("other.toml"), &[]).unwrap_err().to_string();
    assert!(error.contains("other.toml:2: extends: "), "{error}");
    assert!(error.ends_with("two_rooms.toml`?"), "{error}");
    let error = load_from(&folder.path().join("nowhere/x.toml"), &[]).unwrap_err().to_string();
    assert!(error.ends_with("x.toml: no such file"), "{error}");
    assert!(matches!(load_from(folder.path(), &[]), Err(ConfigError::Read { .. })));
}

#[test]
fn a_set_takes_toml_or_bare_text() {
    let sets = ["seed = 0x10", "device=cpu", "name=2 words, no quotes", "train.folder=\"quoted\""];
    let sample = value("", &sets);
    assert_eq!((sample.seed, sample.device), (16, Device::Cpu));
    assert_eq!(sample.name, "2 words, no quotes");
    assert_eq!(sample.train.folder, PathBuf::from("quoted"));
    let sample = value(
        "",
        &["train.milestones=[3, 4]", "weights={ a = 1 }", "weights.\"c.d\"=3", "name=2024-01-01", "train.tag=a=b"],
    );
    assert_eq!(sample.train.milestones, [3, 4]);
    assert_eq!(sample.weights, [("a".to_owned(), 1.0), ("c.d".to_owned(), 3.0)].into());
    assert_eq!((sample.name.as_str(), sample.train.tag.as_deref()), ("2024-01-01", Some("a=b")));
}

#[test]
fn a_later_set_wins_and_a_kind_is_set_before_its_keys() {
    assert_eq!(value("", &["seed=1", "seed=2"]).seed, 2);
    let expected = Predictor::Transformer(Transformer { depth: 2, ..Transformer::default() });
    for order in
        [["predictor.kind=transformer", "predictor.depth=2"], ["predictor.depth=2", "predictor.kind=transformer"]]
    {
        assert_eq!(value("", &order).predictor, expected);
    }
}

#[test]
fn a_set_reaches_into_arrays() {
    let sample = value(SAMPLE, &["regularizers[0].weight=3", "regularizers.1.every=9", "train.milestones[1]=7"]);
    let expected = vec![Regularizer::Variance { weight: 3.0 }, Regularizer::Covariance { weight: 1.5, every: Some(9) }];
    assert_eq!(sample.regularizers, expected);
    assert_eq!(sample.train.milestones, [100, 7]);
    assert_eq!(value(SAMPLE, &["regularizers[0].kind=off"]).regularizers[0], Regularizer::Off);
    assert_refused(
        SAMPLE,
        &["regularizers[2].weight=3"],
        None,
        "regularizers",
        "no item `2`; the array has those from 0 to 1",
    );
    assert_refused(SAMPLE, &["regularizers.first.weight=3"], None, "regularizers", "no item `first`");
}

#[test]
fn a_wrong_set_is_named_by_itself() {
    for (set, key, says) in [
        ("train.stpes=1", "train.stpes", "did you mean `steps`?"),
        ("train.steps=many", "train.steps", "found the text \"many\"; expected an integer"),
        ("train.steps=1.5", "train.steps", "found 1.5"),
        ("train.steps=", "train.steps", "found the text \"\""),
        ("train.rate=nan", "train.rate", "found the text \"nan\"; expected a number"),
        ("train.rate=-1", "train.rate", "greater than 0"),
        ("seed.x=1", "seed", "found a table"),
        ("predictor.kind=tranformer", "predictor.kind", "did you mean `transformer`?"),
        ("predictor=transformer", "predictor", "found the text \"transformer\"; expected a table"),
        ("teacher.dim=3", "teacher.kind", "missing"),
        ("nope.a.b=3", "nope", "no such key"),
        ("name=a\nseed = 3\nb=", "", ""),
        ("seed", "", "expected KEY=VALUE"),
        ("=3", "", "expected a key such as"),
        ("a..b=3", "", "expected a key such as"),
        ("[train]\nsteps=3", "", "expected a key such as"),
        ("env.rule=stop", "env.rule", "no such key"),
    ] {
        if says.is_empty() {
            assert_eq!(value("", &[set]).name, "a\nseed = 3\nb=");
        } else {
            assert_refused("", &[set], None, key, says);
        }
    }
}

#[test]
fn a_key_of_the_file_is_told_of_the_file_though_a_set_stands_beside_it() {
    assert_refused("[teacher]\nhidden = 2", &["teacher.dim=3"], Some(1), "teacher.kind", "missing");
    assert_refused("[train]\nclp = 2", &["train.steps=3"], Some(2), "train.clp", "did you mean `clip`?");
}

#[test]
fn an_error_of_another_part_is_placed_by_its_key() {
    let loaded = load_text("seed = 1\n[train]\nsteps = 3", &[]).unwrap();
    let error = loaded.error("train.steps", "must be even").to_string();
    assert!(error.ends_with("x.toml:3: train.steps: must be even"), "{error}");
}

#[test]
fn the_schema_says_nothing_that_is_not_checked() {
    assert_eq!(unknown_keywords(&schema::<Sample>()), Vec::<String>::new());
    assert_eq!(unknown_keywords(&splice_env(schema::<Sample>(), &registry(), None)), Vec::<String>::new());
    let other = serde_json::json!({ "properties": { "a": { "type": "string", "pattern": "x" } }, "not": {} });
    assert_eq!(unknown_keywords(&other), ["not", "pattern"]);
}
