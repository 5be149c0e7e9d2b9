//! An evaluation's page in a browser without a window. Where there is no Chromium it is said that nothing is tested.

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use common::Place;
use serde_json::Value;

/// Chromium: `GEDANKEN_CHROMIUM`, or by one of its names.
fn chromium() -> Option<String> {
    let named = std::env::var("GEDANKEN_CHROMIUM").ok();
    let known = ["chromium", "chromium-browser", "google-chrome"].map(str::to_owned);
    let runs = |name: &String| Command::new(name).arg("--version").output().is_ok_and(|said| said.status.success());
    let found = named.into_iter().chain(known).find(runs);
    if found.is_none() {
        // Not by `eprintln`, which is not heard of a test that passes.
        let words =
            "the page was not tested in a browser: no chromium (apt-get install chromium, or GEDANKEN_CHROMIUM=…)";
        writeln!(std::io::stderr(), "{words}").expect("stderr");
    }
    found
}

/// A browser with a profile of its own and without a network.
struct Browser<'a> {
    program: String,
    place: &'a Place,
}

/// The browser's words of a page.
struct Seen {
    /// Lines of its console.
    console: Vec<String>,
    /// The findings of [`ASK`].
    found: Value,
}

/// Appended to a copy of the page: what it fetched, how large its films became, what stands in it.
const ASK: &str = r#"<script>addEventListener("load", () => {
    const words = (what) => [...document.querySelectorAll(what)].map((node) => node.textContent.trim());
    const films = [...document.images].map((film) => [film.naturalWidth, film.naturalHeight, film.clientWidth]);
    const fetched = performance.getEntriesByType("resource").map((entry) => entry.name);
    const wide = document.documentElement.scrollWidth > innerWidth;
    const found = { fetched, films, wide, headings: words("h1, h2"), rows: words("tbody > tr > th"), captions: words("figcaption") };
    document.documentElement.innerHTML = "FOUND" + encodeURIComponent(JSON.stringify(found)) + "FOUND";
});</script>"#;

impl Browser<'_> {
    fn run(&self, arguments: &[&str], page: &Path) -> (String, String) {
        let profile = self.place.path("profile");
        let said = Command::new(&self.program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--host-resolver-rules=MAP * ~NOTFOUND",
            ])
            .args(["--window-size=1100,2000", "--enable-logging=stderr", "--timeout=20000"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(arguments)
            .arg(format!("file://{}", page.display()))
            .output()
            .expect("the browser starts");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (text(said.stdout), text(said.stderr))
    }

    fn open(&self, page: &str) -> Seen {
        let copy = self.place.write("asked.html", format!("{page}{ASK}"));
        let (dom, said) = self.run(&["--dump-dom"], &copy);
        let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
        let found = dom.split("FOUND").nth(1).unwrap_or_else(|| panic!("the page was not loaded: {dom:.400}\n{said}"));
        Seen { console, found: serde_json::from_str(&decoded(found)).expect("JSON") }
    }
}

/// Percent-encoded text.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes: Vec<u8> = parts.next().unwrap_or_default().into();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_report_opens_in_a_browser_without_a_word_in_its_console_and_without_a_network() {
    let Some(program) = chromium() else { return };
    let place = Place::new();
    let browser = Browser { program, place: &place };

    // A page that does what none may is found out.
    let bad = "<!doctype html><img src=\"http://example.com/x.png\"><script>console.error(\"oh no\")</script>";
    let seen = browser.open(bad);
    assert!(seen.console.len() == 1 && seen.console[0].contains("oh no"), "{:?}", seen.console);
    assert_eq!(seen.found["fetched"], serde_json::json!(["http://example.com/x.png"]));
    assert_eq!(seen.found["films"][0][0], 0);

    let run = place.train(&["--set", "eval.films=2"]);
    let page = place.read(&format!("{run}/eval/step-000012/report.html"));
    let Seen { console, found } = browser.open(&page);
    assert_eq!(console, Vec::<String>::new());
    assert_eq!(found["fetched"], serde_json::json!([]));
    assert_eq!(found["wide"], false, "it fits the window");
    let words =
        |what: &str| -> Vec<&str> { found[what].as_array().into_iter().flatten().filter_map(Value::as_str).collect() };
    let headings = words("headings");
    assert_eq!(headings[0], "two-rooms after 12 updates");
    for heading in ["Beside floors and ceilings", "Films", "Findings", "Loss", "How it was measured"] {
        assert!(headings.contains(&heading), "no heading {heading}: {headings:?}");
    }
    for row in ["model", "simulator-true", "expert", "uniform"] {
        assert!(words("rows").contains(&row), "no row {row}: {:?}", words("rows"));
    }
    let films = found["films"].as_array().expect("films");
    assert_eq!(films.len(), 2);
    for film in films {
        assert!(film[0].as_u64() >= Some(400) && film[1].as_u64() >= Some(300), "a film is decoded: {film}");
        assert!(film[2].as_u64() >= Some(300), "and seen: {film}");
    }
    assert!(words("captions").iter().any(|caption| caption.starts_with("Task 1: not reached")), "{found}");

    // What a reader sees, for whoever wants to look: GEDANKEN_SCREENSHOT=page.png.
    let picture = place.path("page.png");
    let shot = format!("--screenshot={}", picture.display());
    browser.run(&[&shot], &place.path(&format!("{run}/eval/step-000012/report.html")));
    assert!(fs::metadata(&picture).expect("a screenshot").len() > 40_000, "it is not blank");
    if let Ok(wanted) = std::env::var("GEDANKEN_SCREENSHOT") {
        fs::copy(&picture, &wanted).unwrap_or_else(|error| panic!("{wanted}: {error}"));
    }
}
