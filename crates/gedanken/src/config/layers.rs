//! Defaults, files that extend files, and `--set`, laid over each other.

use std::path::{Path, PathBuf};

use gedanken_planner::{Catalog, Strategy};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use toml::de::DeTable;

use super::error::nearest;
use super::planner;
use super::setting::{self, Setting, split_key};
use super::text::take_texts;
use super::tree::{Content, Node, PLANNER, Reader, join, place_in, tag_of};
use super::{ConfigError, ENV, ENV_OVERRIDES, Loaded, Place, Problem, validate};

/// All layers as one tree, not yet checked.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    root: Node,
    strategies: Catalog<dyn Strategy>,
    problems: Vec<Problem>,
}

impl Draft {
    /// `T::default()` under the files under the overrides under the settings of a sweep's arm.
    pub fn read<T: Serialize + Default>(
        path: &Path,
        overrides: &[String],
        arm: &[Setting],
        strategies: &Catalog<dyn Strategy>,
    ) -> Result<Self, ConfigError> {
        let default = serde_json::to_value(T::default()).unwrap_or_default();
        let strategies = strategies.clone();
        let mut draft = Self { root: Node::from_default(default), strategies, problems: Vec::new() };
        draft.file(path, None, &mut Vec::new())?;
        draft.set_all(overrides, arm);
        Ok(draft)
    }

    /// The name of the environment; empty where there is none.
    pub fn env_name(&self) -> &str {
        self.root.get(ENV).and_then(|env| env.get("name")).and_then(Node::as_str).unwrap_or_default()
    }

    /// The node of a dotted path; `list[2]` and `list.2` are the same.
    pub fn node(&self, key: &str) -> Option<&Node> {
        split_key(key)?.iter().try_fold(&self.root, |node, part| node.get(part))
    }

    /// Where a key was set, or the nearest table around it.
    pub fn place(&self, key: &str) -> Place {
        let mut node = &self.root;
        for part in split_key(key).unwrap_or_default() {
            let Some(inner) = node.get(&part) else { break };
            node = inner;
        }
        node.place.clone()
    }

    /// Checks the tree against the schema and hands it to serde.
    pub fn check<T: DeserializeOwned>(mut self, schema: &Value) -> Result<Loaded<T>, ConfigError> {
        take_texts(&mut self.root, schema);
        let mut problems = self.problems.clone();
        problems.extend(validate::validate(&self.root, schema));
        if !problems.is_empty() {
            return Err(ConfigError::invalid(problems));
        }
        match serde_json::from_value(self.root.to_json()) {
            Ok(value) => Ok(Loaded { value, draft: self }),
            Err(error) => {
                let problem = Problem { place: self.root.place, key: String::new(), message: error.to_string() };
                Err(ConfigError::Invalid(vec![problem]))
            }
        }
    }

    /// Lays a file, and before it what it extends, on top. `chain` holds the files that led here.
    fn file(
        &mut self,
        path: &Path,
        from: Option<Place>,
        chain: &mut Vec<(PathBuf, PathBuf)>,
    ) -> Result<(), ConfigError> {
        let text = read_text(path, &from)?;
        let identity = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let seen = chain.iter().any(|(known, _)| *known == identity);
        chain.push((identity, path.to_owned()));
        if let (true, Some(place)) = (seen, from) {
            return Err(ConfigError::Cycle { place, chain: chain.iter().map(|(_, file)| file.clone()).collect() });
        }

        let (table, errors) = DeTable::parse_recoverable(&text);
        if !errors.is_empty() {
            return Err(ConfigError::Syntax(syntax_problems(path, &text, &errors)));
        }
        let mut reader = Reader::of_file(path, &text);
        let mut node = reader.root(table.get_ref());
        self.problems.append(&mut reader.problems);

        let extends = match &mut node.content {
            Content::Table(table) => table.remove("extends"),
            _ => None,
        };
        if let Some(extends) = extends {
            match extends.as_str() {
                Some(base) => {
                    self.file(&path.parent().unwrap_or(Path::new("")).join(base), Some(extends.place), chain)?;
                }
                None => self.problems.push(Problem {
                    place: extends.place.clone(),
                    key: "extends".into(),
                    message: format!("found {}; expected the name of a TOML file", validate::found(&extends)),
                }),
            }
        }
        self.lay(node);
        Ok(())
    }

    /// Puts a whole tree on top. With another environment, what was set over the old one's options has no meaning.
    fn lay(&mut self, over: Node) {
        let new_name = over.get(ENV).and_then(|env| env.get("name")).and_then(Node::as_str);
        if new_name.is_some_and(|name| name != self.env_name()) {
            ENV_OVERRIDES.iter().for_each(|path| remove(&mut self.root, path));
        }
        self.leave_behind(&over);
        let root = std::mem::replace(&mut self.root, Node::table(Place::Default));
        self.root = root.merge(over, "");
    }

    /// With another strategy, the planner loses the keys that this one does not have.
    fn leave_behind(&mut self, over: &Node) {
        let Some(kind) = planner::kind(over).filter(|kind| planner::kind(&self.root) != Some(*kind)) else { return };
        let (Some(keys), Content::Table(root)) = (planner::keys(&self.strategies, kind), &mut self.root.content) else {
            return;
        };
        if let Some(Node { content: Content::Table(table), .. }) = root.get_mut(PLANNER) {
            table.retain(|key, _| keys.contains(key));
        }
    }

    /// Applies `--set`s in their order and an arm's settings behind them, but those that change a table's kind before the others.
    fn set_all(&mut self, overrides: &[String], arm: &[Setting]) {
        let mut sets = Vec::new();
        for set in overrides {
            match setting::parse(set) {
                Ok((setting, mut problems)) => {
                    self.problems.append(&mut problems);
                    sets.push(setting);
                }
                Err(problem) => self.problems.push(problem),
            }
        }
        sets.extend_from_slice(arm);
        sets.sort_by_key(|Setting { path, .. }| match path.split_last() {
            Some((last, parent)) if last == tag_of(&parent.join(".")) => (0, path.len()),
            _ => (1, 0),
        });
        for Setting { path, value } in sets {
            self.set(&path, value);
        }
    }

    fn set(&mut self, path: &[String], value: Node) {
        if path.join(".") == format!("{ENV}.name") {
            return self.lay(nested(path, value));
        }
        self.leave_behind(&nested(path, value.clone()));
        if let Err(problem) = assign(&mut self.root, "", path, value) {
            self.problems.push(problem);
        }
    }
}

/// Sets what lies at `path` below `node`, whose own key is `name`.
fn assign(node: &mut Node, name: &str, path: &[String], value: Node) -> Result<(), Problem> {
    if let (Content::Array(items), [part, rest @ ..]) = (&mut node.content, path) {
        let count = items.len();
        let Some(item) = part.parse::<usize>().ok().and_then(|index| items.get_mut(index)) else {
            let message = match count {
                0 => format!("no item `{part}`; the array is empty"),
                _ => format!("no item `{part}`; the array has those from 0 to {}", count - 1),
            };
            return Err(Problem { place: value.place, key: name.to_owned(), message });
        };
        return assign(item, &format!("{name}[{part}]"), rest, value);
    }
    if let (Content::Table(table), [part, rest @ ..]) = (&mut node.content, path)
        && !rest.is_empty()
        && let Some(inner) = table.get_mut(part)
        && !matches!(inner.content, Content::Leaf(_))
    {
        return assign(inner, &join(name, part), rest, value);
    }
    let old = std::mem::replace(node, Node::table(Place::Default));
    *node = old.merge(nested(path, value), name);
    Ok(())
}

fn nested(path: &[String], value: Node) -> Node {
    path.iter().rev().fold(value, |inner, part| {
        let place = inner.place.clone();
        Node { place, content: Content::Table([(part.clone(), inner)].into()) }
    })
}

fn remove(root: &mut Node, path: &str) {
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    let mut node = root;
    for part in parents.split('.').filter(|part| !part.is_empty()) {
        match &mut node.content {
            Content::Table(table) => match table.get_mut(part) {
                Some(inner) => node = inner,
                None => return,
            },
            _ => return,
        }
    }
    if let Content::Table(table) = &mut node.content {
        table.remove(last);
    }
}

fn read_text(path: &Path, from: &Option<Place>) -> Result<String, ConfigError> {
    let bytes = std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => {
            ConfigError::Missing { file: path.to_owned(), from: from.clone(), nearest: nearest_file(path) }
        }
        _ => ConfigError::Read { file: path.to_owned(), source },
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
        let place = place_in(path, &text, valid, true);
        ConfigError::Syntax(vec![Problem { place, key: String::new(), message: "not text in UTF-8".into() }])
    })
}

fn nearest_file(path: &Path) -> Option<String> {
    let folder = path.parent()?;
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names: Vec<String> = std::fs::read_dir(listed)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    let stem = |name: &str| name.trim_end_matches(".toml").to_owned();
    let stems: Vec<String> = names.iter().map(|name| stem(name)).collect();
    let found = nearest(&stem(path.file_name()?.to_str()?), stems.iter().map(String::as_str))?;
    Some(folder.join(format!("{found}.toml")).display().to_string())
}

/// The first error of each line, with the line.
fn syntax_problems(file: &Path, text: &str, errors: &[toml::de::Error]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for error in errors {
        let at = error.span().map_or(text.len(), |span| span.start);
        let place = place_in(file, text, at, true);
        let Place::File { line, .. } = place else { continue };
        let known = |problem: &Problem| matches!(problem.place, Place::File { line: other, .. } if other == line);
        if problems.iter().any(known) {
            continue;
        }
        let source = text.lines().nth(line - 1).unwrap_or_default().trim();
        let source = if source.is_empty() { String::new() } else { format!(", in `{source}`") };
        problems.push(Problem { place, key: String::new(), message: format!("{}{source}", error.message()) });
    }
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems
}
