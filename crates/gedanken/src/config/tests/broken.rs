//! Configs that are wrong, each in one way, and what is said about them.

use gedanken_env::derive_seed;

use super::*;

/// The sample with the line that starts with `start` replaced, and the line's number.
fn with_line(start: &str, new: &str) -> (String, usize) {
    let line = line_of(SAMPLE, start);
    let lines: Vec<&str> =
        SAMPLE.lines().enumerate().map(|(index, old)| if index + 1 == line { new } else { old }).collect();
    (lines.join("\n"), line)
}

/// The key of each line of the sample that sets one value: its dotted path, the line without the value, the value.
fn settings() -> Vec<(String, &'static str, &'static str)> {
    let mut table = String::new();
    let mut count = 0;
    let mut found = Vec::new();
    for line in SAMPLE.lines() {
        if line.starts_with("[[") {
            table = format!("regularizers[{count}].");
            count += 1;
        } else if line.starts_with('[') {
            table = format!("{}.", line.trim_matches(['[', ']']));
        } else if let Some((key, value)) = line.split_once(" = ") {
            found.push((format!("{table}{key}"), key, value));
        }
    }
    found
}

/// The line of a setting: keys such as `kind` are in several tables.
fn replace_setting(index: usize, new: &str) -> (String, usize) {
    let mut seen = 0;
    let mut at = 0;
    let lines: Vec<&str> = SAMPLE
        .lines()
        .enumerate()
        .map(|(number, line)| {
            if line.starts_with('[') || !line.contains(" = ") {
                return line;
            }
            seen += 1;
            if seen - 1 == index {
                at = number + 1;
                new
            } else {
                line
            }
        })
        .collect();
    (lines.join("\n"), at)
}

#[test]
fn each_misspelt_key_is_named_with_the_key_that_was_meant() {
    for (index, (path, key, old)) in settings().into_iter().enumerate() {
        if path.starts_with("weights") || path.starts_with("env.factors") || key == "window" {
            continue; // free tables; a value of several lines
        }
        let typo = format!("{key}x");
        let (text, line) = replace_setting(index, &format!("{typo} = {old}"));
        let wrong_path = format!("{}{typo}", path.strip_suffix(key).unwrap());
        if key == "kind" || path == "env.name" {
            // Without its tag the table keeps the default's, or (in an array) has none.
            assert!(load_text(&text, &[]).is_err(), "{path}");
        } else {
            assert_refused(&text, &[], Some(line), &wrong_path, "no such key; did you mean");
            assert_refused(&text, &[], Some(line), &wrong_path, &format!("`{key}`"));
        }
    }
}

#[test]
fn each_value_of_a_wrong_type_is_named_with_what_was_found() {
    let wrong = [
        ("\"text\"", "found the text \"text\"; expected "),
        ("3.25", "found 3.25; expected "),
        ("true", "found true; expected "),
        ("[true, false, true, true]", "expected "),
        ("{ nothing = 1 }", ""),
        ("nan", "found nan; expected a finite number"),
        ("-inf", "found -inf; expected a finite number"),
        ("2026-01-01", "found the date 2026-01-01"),
        ("99999999999999999999999", "found 99999999999999999999999; expected an integer of at most 64 bits"),
    ];
    let mut count = 0;
    for (index, (path, key, old)) in settings().into_iter().enumerate() {
        if old == "[" {
            continue;
        }
        for (new, says) in wrong {
            let fits = match new {
                "\"text\"" => ["name", "train.folder", "train.tag"].contains(&path.as_str()),
                "3.25" => old.parse::<f64>().is_ok() && (key == "clip" || key == "weight" || path.contains("weights.")),
                "true" => key == "causal",
                _ => false,
            };
            // These say it of a key inside, or in words of their own.
            if fits || key == "causal" && new == "true" || key == "factors" || key == "budget" {
                continue;
            }
            if (key == "rate" || key == "hue") && new == "3.25" {
                continue; // the right type, out of range
            }
            let (text, line) = replace_setting(index, &format!("{key} = {new}"));
            assert_refused(&text, &[], Some(line), &path, says);
            count += 1;
        }
    }
    assert!(count > 200, "only {count} broken configs");
}

#[test]
fn what_is_wrong_is_said_with_what_would_be_right() {
    // (the line that is replaced, its replacement, the key, what is said)
    let cases = [
        ("name = \"every", "name = \"\"", "name", "found the text \"\"; expected text of at least 1 characters"),
        ("seed", "seed = -1", "seed", "found -1; expected an integer of at least 0"),
        ("seed", "seed = 1.0", "seed", "found 1.0; expected an integer"),
        ("seed", "sed = 1", "sed", "did you mean `seed`?"),
        ("seed", "Seed = 1", "Seed", "did you mean `seed`?"),
        ("seed", "zzz = 1", "zzz", "no such key (keys here: device, env, eval, name, predictor, "),
        ("seed", "rate = 1", "rate", "did you mean `train.rate`?"),
        (
            "device",
            "device = \"disrete-gpu\"",
            "device",
            "expected one of: cpu, discrete-gpu, auto; did you mean `discrete-gpu`?",
        ),
        ("device", "device = \"CPU\"", "device", "did you mean `cpu`?"),
        ("device", "device = \"discrete_gpu\"", "device", "did you mean `discrete-gpu`?"),
        ("device", "device = 0", "device", "found 0; expected one of: "),
        ("name = \"rooms\"", "name = \"romms\"", "env.name", "expected one of: rooms, plain; did you mean `rooms`?"),
        ("name = \"rooms\"", "name = 7", "env.name", "found 7; expected one of: rooms, plain"),
        ("rule = \"bounce\"", "rule = \"bonce\"", "env.rule", "did you mean `bounce`?"),
        (
            "rule = \"bounce\"",
            "rules = \"bounce\"",
            "env.rules",
            "did you mean `rule`? (keys here: door, factors, name, rule, wall)",
        ),
        ("wall", "wall = 11", "env.wall", "found 11; expected an integer from 12 to 52"),
        ("wall", "wall = 53", "env.wall", "found 53; expected an integer from 12 to 52"),
        ("wall", "wall = 16", "env.door", "another number than wall"),
        ("hue", "hue = 2.0", "env.factors.hue", "factor hue 2; expected 0 to 1"),
        ("hue", "hu = 0.1", "env.factors.hu", "no such factor; did you mean `hue`? (there are: hue)"),
        ("hue", "hue = \"red\"", "env.factors.hue", "found the text \"red\"; expected a number"),
        (
            "kind = \"transformer\"",
            "kind = \"transfromer\"",
            "predictor.kind",
            "expected one of: recurrent, transformer; did you mean `transformer`?",
        ),
        ("kind = \"transformer\"", "kind = 3", "predictor.kind", "found 3; expected one of: recurrent, transformer"),
        ("kind = \"transformer\"", "kind = \"recurrent\"", "predictor.depth", "no such key"),
        ("depth", "depth = 0", "predictor.depth", "found 0; expected an integer from 1 to 255"),
        ("depth", "depth = 256", "predictor.depth", "found 256; expected an integer from 1 to 255"),
        ("dropout", "dropout = 1.0", "predictor.dropout", "found 1.0; expected a number at least 0 and less than 1"),
        ("dropout", "dropout = 1", "predictor.dropout", "found 1; expected"),
        ("dropout", "dropout = -0.001", "predictor.dropout", "found -0.001; expected"),
        ("causal", "causal = 1", "predictor.causal", "found 1; expected true or false"),
        ("causal", "causal = \"no\"", "predictor.causal", "expected true or false"),
        (
            "    3,",
            "",
            "predictor.window",
            "found 1 items; expected an array of 2, each an integer from 0 to 4294967295",
        ),
        ("    3,", "    3, 4,", "predictor.window", "found 3 items"),
        ("    3,", "    3.5,", "predictor.window[1]", "found 3.5; expected an integer"),
        ("    3,", "    \"3\",", "predictor.window[1]", "found the text \"3\""),
        ("    3,", "    -3,", "predictor.window[1]", "found -3"),
        ("steps", "steps = 4294967296", "train.steps", "found 4294967296; expected an integer from 0 to 4294967295"),
        ("rate", "rate = 0", "train.rate", "found 0; expected a number greater than 0 and at most 0.1"),
        ("rate", "rate = 0.2", "train.rate", "found 0.2; expected a number greater than 0 and at most 0.1"),
        ("rate", "rate = 1e39", "train.rate", "that fits its type"),
        ("rate", "learning_rate = 1e-3", "train.learning_rate", "did you mean `rate`?"),
        ("clip", "clip = \"1\"", "train.clip", "found the text \"1\"; expected a number"),
        ("clip", "clip = []", "train.clip", "found an array; expected a number"),
        ("offset", "offset = 9223372036854775808", "train.offset", "expected an integer"),
        ("milestones", "milestones = []", "train.milestones", "found 0 items; expected an array of 1 to 3"),
        ("milestones", "milestones = [1, 2, 3, 4]", "train.milestones", "found 4 items"),
        ("milestones", "milestones = [1, \"2\"]", "train.milestones[1]", "found the text \"2\""),
        ("milestones", "milestones = 1", "train.milestones", "found 1; expected an array"),
        ("betas", "betas = [0.9]", "train.betas", "found 1 items; expected an array of 2"),
        ("betas", "betas = [0.9, true]", "train.betas[1]", "found true; expected a number"),
        ("folder", "folder = 1", "train.folder", "found 1; expected text"),
        ("folder", "folder.a = 1", "train.folder", "found a table; expected text"),
        ("tag", "tag = \"much too long\"", "train.tag", "expected text"),
        ("kind = \"variance\"", "kind = \"varience\"", "regularizers[0].kind", "did you mean `variance`?"),
        ("kind = \"variance\"", "kind = \"off\"", "regularizers[0].weight", "no such key"),
        ("weight = 1.5", "wieght = 1.5", "regularizers[1].wieght", "did you mean `weight`?"),
        ("every", "every = 65536", "regularizers[1].every", "found 65536; expected an integer from 0 to 65535"),
        ("near", "near = \"1\"", "weights.near", "found the text \"1\"; expected a number"),
        ("\"far.away\"", "\"far.away\" = false", "weights.\"far.away\"", "found false; expected a number"),
        ("dim", "dim = 0", "teacher.dim", "found 0; expected an integer from 1 to 4096"),
        ("dim", "dim = 4097", "teacher.dim", "found 4097; expected an integer from 1 to 4096"),
        ("dim", "dmi = 64", "teacher.dmi", "no such key; did you mean `dim`? (keys here: dim, hidden, kind)"),
        ("kind = \"recurrent\"", "", "teacher.kind", "missing; expected one of: recurrent, transformer"),
        ("episodes", "episodes = true", "eval.episodes", "found true; expected an integer"),
        ("device = \"cpu\"", "device = \"gpu\"", "eval.device", "did you mean `cpu`?"),
        (
            "budget",
            "budget = \"much\"",
            "eval.budget",
            "found the text \"much\"; expected an integer from 0 to 4294967295 or a table",
        ),
        ("budget", "budget = { factor = 1.5 }", "eval.budget.least", "missing; expected an integer"),
        ("budget", "budget = { factor = 1, least = 1, lest = 2 }", "eval.budget.lest", "did you mean `least`?"),
        ("budget", "budget = -1", "eval.budget", "found -1"),
        ("rule = \"stop\"", "rule = \"stopp\"", "eval.env.rule", "did you mean `stop`?"),
        ("rule = \"stop\"", "name = \"plain\"", "eval.env.name", "no such key"),
        ("rule = \"stop\"", "wall = 1", "eval.env.wall", "found 1; expected an integer from 12 to 52"),
        ("rule = \"stop\"", "door = 20", "eval.env.door", "another number than wall"),
        ("factors = ", "factors = { hue = 3 }", "eval.env.factors.hue", "expected 0 to 1"),
        ("factors = ", "factors = 1", "eval.env.factors", "found 1; expected a table"),
    ];
    for (start, new, key, says) in cases {
        let (text, line) = with_line(start, new);
        let line = match (key, says) {
            ("env.door", _) => line_of(&text, "door"),
            ("predictor.depth", "no such key") => line_of(&text, "depth"),
            ("predictor.window", _) => line_of(&text, "window"),
            ("regularizers[0].weight", _) => line_of(&text, "weight = 25"),
            ("teacher.kind", _) => line_of(&text, "[teacher]"),
            _ => line,
        };
        assert_refused(&text, &[], Some(line), key, says);
    }
}

#[test]
fn a_table_that_does_not_exist_or_is_no_table_is_named() {
    for (header, key, says) in [
        ("[predicter]", "predicter", "did you mean `predictor`?"),
        ("[train.more]", "train.more", "no such key"),
        ("[seed]", "seed", "found a table; expected an integer"),
        ("[[train]]", "train", "found an array; expected a table"),
        ("[regularizers]", "regularizers", "found a table; expected an array"),
        ("[[regularizers]]", "regularizers[0].kind", "missing; expected one of: off, variance, covariance"),
    ] {
        assert_refused(&format!("# first\n{header}\n"), &[], Some(2), key, says);
    }
    assert_refused("\npredictor = 3", &[], Some(2), "predictor", "found 3; expected a table with `kind` one of: ");
    assert_refused(
        "\n[[regularizers]]\nkind = \"variance\"",
        &[],
        Some(2),
        "regularizers[0].weight",
        "missing; expected a number",
    );
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let text =
        "sed = 1\ndevice = \"x\"\n[train]\nsteps = -1\nclip = nan\n[eval.env]\nrule = 3\n[env]\nname = \"rooms\"";
    let error = load_text(text, &["train.rate=5", "nonsense"]).unwrap_err();
    let lines: Vec<_> = error.problems().iter().map(|problem| problem.place.clone()).collect();
    assert_eq!(error.problems().len(), 7, "{error}");
    assert!(lines.windows(2).all(|pair| pair[0] <= pair[1]), "{error}");
}

#[test]
fn text_that_is_not_toml_is_refused_with_file_line_and_column() {
    for (text, line, column) in [
        ("seed = = 1", 1, 8),
        ("\n[train\nsteps = 1", 2, 7),
        ("a = 1\na = 2", 2, 1),
        ("[train]\n[train]", 2, 2),
        ("name = \"open", 1, 13),
        ("ünï = 1", 1, 1),
        ("seed = 1 2", 1, 8),
        ("seed", 1, 5),
        ("seed = 01", 1, 8),
    ] {
        let error = load_text(text, &[]).unwrap_err();
        assert!(matches!(error, ConfigError::Syntax(_)), "{text:?}: {error}");
        let first = &error.problems()[0];
        let Place::File { line: found, column: Some(at), file } = &first.place else { panic!("{first}") };
        assert!(file.ends_with("x.toml"));
        assert_eq!((*found, *at), (line, column), "{text:?}: {first}");
        assert!(first.to_string().contains(&format!("x.toml:{line}:{column}: ")), "{first}");
    }
}

#[test]
fn bytes_that_are_not_text_are_refused_with_their_line() {
    let folder = folder(&[]);
    let path = folder.path().join("x.toml");
    std::fs::write(&path, b"seed = 1\nname = \"\xff\"").unwrap();
    let error = load_from(&path, &[]).unwrap_err();
    assert!(error.to_string().ends_with("x.toml:2:9: not text in UTF-8"), "{error}");
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for text in ["[".repeat(100_000), format!("a = {}", "[".repeat(100_000)), format!("{}b = 1", "a.".repeat(100_000))]
    {
        assert!(matches!(load_text(&text, &[]), Err(ConfigError::Syntax(_))));
    }
    assert!(load_text("", &[&format!("{}b=1", "a.".repeat(100_000))]).is_err());
    assert!(load_text("", &[&format!("a={}", "[".repeat(100_000))]).is_err());
}

#[test]
fn no_change_of_some_bytes_of_a_config_panics() {
    let folder = folder(&[]);
    let path = folder.path().join("x.toml");
    let mut draws = 0;
    let mut below = |bound: usize| {
        draws += 1;
        (derive_seed(1, &[draws]) % bound as u64) as usize
    };
    let pieces: [&[u8]; 12] =
        [b"[", b"]", b"=", b"\"", b".", b"\n", b"{", b"}", b"nan", b"-", b"\xc3", b"extends = \"x.toml\"\n"];
    for round in 0..2000 {
        let mut bytes = SAMPLE.as_bytes().to_vec();
        for _ in 0..1 + below(3) {
            let at = below(bytes.len());
            match below(4) {
                0 => bytes[at] = below(256) as u8,
                1 => drop(bytes.remove(at)),
                2 => drop(bytes.splice(at..at, pieces[below(pieces.len())].iter().copied()).count()),
                _ => {
                    let end = (at + below(40)).min(bytes.len());
                    bytes.drain(at..end);
                }
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = load_from(&path, &[]) {
            let text = error.to_string();
            assert!(text.lines().all(|line| line.contains("x.toml:")), "round {round}: {text}");
        }
    }
}
