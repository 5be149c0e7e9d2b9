//! A chart of rates with their intervals, as SVG.

/// Rates from 0 to 1, each with intervals and the single values that it is the mean of.
pub struct Whiskers<'a> {
    /// Its heading.
    pub title: &'a str,
    /// The horizontal axis.
    pub x: &'a str,
    /// The vertical axis, always the whole of it from 0 to 100 %.
    pub y: &'a str,
    /// A line below: what the whiskers are.
    pub caption: &'a str,
    /// The rates, from left to right. Where all have a number, they stand where it says: logarithmically if the numbers span a factor of 4 or more;
    /// else side by side.
    pub points: Vec<Whisker>,
}

/// A rate.
#[derive(Clone, Debug, Default)]
pub struct Whisker {
    /// Its name.
    pub label: String,
    /// Its place on the horizontal axis, if that is a number.
    pub number: Option<f64>,
    /// The rate.
    pub rate: f64,
    /// A thin line with ends; what lies beyond 0 and 1 is cut off. None where there is no such interval.
    pub thin: Option<[f64; 2]>,
    /// A broad pale bar.
    pub broad: Option<[f64; 2]>,
    /// Small dots.
    pub singles: Vec<f64>,
}

const LEFT: f64 = 80.0;
const TOP: f64 = 56.0;
const HEIGHT: f64 = 340.0;
/// Room for a name, px.
const SLOT: f64 = 64.0;
const INK: &str = "#2a3038";
const COLOUR: &str = "#d1495b";

impl Whiskers<'_> {
    /// The picture.
    pub fn svg(&self) -> String {
        let [title, caption] = [self.title, self.caption].map(|words| words.chars().count() as f64);
        let width = (self.points.len() as f64 * SLOT).max(8.6 * title).max(6.2 * caption).clamp(420.0, 4000.0);
        let longest = self.points.iter().map(|point| point.label.chars().count()).max().unwrap_or(0);
        let slanted = longest as f64 * 7.0 > width / self.points.len().max(1) as f64;
        let below = if slanted { 24.0 + longest as f64 * 5.2 } else { 24.0 };
        let left = if slanted { LEFT.max(longest as f64 * 5.2) } else { LEFT };
        let (right, bottom) = (left + width, TOP + HEIGHT);
        let (whole_width, whole_height) = (right + 40.0, bottom + below + 64.0);
        let mut svg: Vec<String> = Vec::new();
        let mut add = |line: String| svg.push(line);
        add(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole_width:.0} {whole_height:.0}\" width=\"{whole_width:.0}\" \
             height=\"{whole_height:.0}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"{INK}\">"
        ));
        add("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>".to_owned());
        add(text(left, 24.0, "font-size=\"16\"", self.title));
        add(text(left - 48.0, TOP - 14.0, "", self.y));
        let high = |rate: f64| bottom - rate.clamp(0.0, 1.0) * HEIGHT;
        for tenth in (0..=10).step_by(2) {
            let y = high(f64::from(tenth) / 10.0);
            add(line([left, y, right, y], INK, "stroke-opacity=\"0.15\""));
            add(text(left - 10.0, y + 4.0, "text-anchor=\"end\"", &format!("{} %", 10 * tenth)));
        }
        add(line([left, TOP, left, bottom], INK, ""));
        add(line([left, bottom, right, bottom], INK, ""));
        let places = self.places(left, right);
        for (point, &x) in self.points.iter().zip(&places) {
            add(line([x, bottom, x, bottom + 5.0], INK, ""));
            point.draw(x, &high).into_iter().for_each(&mut add);
        }
        for (point, x) in self.points.iter().zip(self.named(&places, longest, slanted)) {
            let Some(x) = x else { continue };
            let y = bottom + 20.0;
            let how = match slanted {
                true => format!("text-anchor=\"end\" transform=\"rotate(-40 {x:.1} {y:.1})\""),
                false => "text-anchor=\"middle\"".to_owned(),
            };
            add(text(x, y, &how, &point.label));
        }
        add(text((left + right) / 2.0, bottom + below + 20.0, "text-anchor=\"middle\"", self.x));
        add(text(left, bottom + below + 46.0, "font-size=\"11\" fill-opacity=\"0.7\"", self.caption));
        svg.push("</svg>\n".to_owned());
        svg.join("\n")
    }

    /// Where the points stand.
    fn places(&self, left: f64, right: f64) -> Vec<f64> {
        let numbers: Option<Vec<f64>> = self.points.iter().map(|point| point.number).collect();
        let count = self.points.len() as f64;
        let (left, right) = (left + SLOT / 2.0, right - SLOT / 2.0);
        let ends = numbers.as_ref().map(|numbers| {
            let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            (low, numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max))
        });
        match (numbers, ends) {
            (Some(numbers), Some((low, high))) if low < high => {
                let logarithmic = low > 0.0 && high / low >= 4.0;
                let scale = |x: f64| if logarithmic { x.ln() } else { x };
                let share = |x: f64| (scale(x) - scale(low)) / (scale(high) - scale(low));
                numbers.into_iter().map(|x| left + share(x) * (right - left)).collect()
            }
            _ => (0..self.points.len()).map(|i| left + (i as f64 + 0.5) / count * (right - left)).collect(),
        }
    }

    /// The places of the names: none for one that would lie on the name before it.
    fn named(&self, places: &[f64], longest: usize, slanted: bool) -> Vec<Option<f64>> {
        let room = if slanted { 16.0 } else { (longest as f64 * 7.0).max(16.0) };
        let mut last = f64::NEG_INFINITY;
        let place = |&x: &f64| {
            let free = x - last >= room;
            if free {
                last = x;
            }
            free.then_some(x)
        };
        places.iter().map(place).collect()
    }
}

impl Whisker {
    /// The rate with its intervals at `x`; `high` is the place of a rate on the vertical axis.
    fn draw(&self, x: f64, high: &dyn Fn(f64) -> f64) -> Vec<String> {
        let mut drawn = Vec::new();
        if let Some([low, top]) = self.broad {
            let (left, y, height) = (x - 7.0, high(top), high(low) - high(top));
            let shape = format!("x=\"{left:.1}\" y=\"{y:.1}\" width=\"14\" height=\"{height:.1}\"");
            drawn.push(format!("<rect {shape} fill=\"{COLOUR}\" fill-opacity=\"0.2\"/>"));
        }
        if let Some([low, top]) = self.thin {
            drawn.push(line([x, high(low), x, high(top)], COLOUR, "stroke-width=\"1.5\""));
            for end in [low, top].into_iter().filter(|end| (0.0..=1.0).contains(end)) {
                drawn.push(line([x - 6.0, high(end), x + 6.0, high(end)], COLOUR, "stroke-width=\"1.5\""));
            }
        }
        drawn.extend(self.singles.iter().map(|&single| circle(x + 14.0, high(single), 2.5, "fill-opacity=\"0.6\"")));
        drawn.push(circle(x, high(self.rate), 4.5, ""));
        drawn
    }
}

fn line([x1, y1, x2, y2]: [f64; 4], colour: &str, more: &str) -> String {
    format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" {more}/>")
}

fn circle(x: f64, y: f64, radius: f64, more: &str) -> String {
    format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{COLOUR}\" {more}/>")
}

fn text(x: f64, y: f64, how: &str, words: &str) -> String {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" {how}>{words}</text>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<Whisker>) -> Whiskers<'static> {
        Whiskers { title: "a < b & c", x: "width", y: "success", caption: "", points }
    }

    fn point(label: &str, number: Option<f64>, rate: f64) -> Whisker {
        let (thin, broad) = (Some([rate - 0.2, rate + 0.2]), Some([rate - 0.1, rate + 0.1]));
        Whisker { label: label.to_owned(), number, rate, thin, broad, singles: vec![rate] }
    }

    #[test]
    fn the_axis_is_whole_and_a_rate_stands_where_it_says() {
        let svg = chart(vec![point("a", None, 0.25), point("b", None, 0.9)]).svg();
        for tick in ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"] {
            assert!(svg.contains(&format!(">{tick}</text>")), "{tick}");
        }
        assert!(svg.contains(&format!("cy=\"{:.1}\" r=\"4.5\"", TOP + 0.75 * HEIGHT)));
        // The thin whisker of the second ends at the axis, without an end of its own there.
        assert_eq!(svg.matches("stroke-width=\"1.5\"").count(), 2 + 3);
        assert!(svg.contains("a &lt; b &amp; c"));
    }

    #[test]
    fn numbers_stand_where_they_are_and_what_spans_a_factor_of_four_by_its_logarithm() {
        let places = |numbers: &[f64]| {
            let points = numbers.iter().map(|&x| point(&x.to_string(), Some(x), 0.5)).collect();
            chart(points).places(0.0, SLOT + 100.0)
        };
        let near = |found: Vec<f64>, expected: &[f64]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - SLOT / 2.0 - b).abs() < 1e-9), "{found:?}");
        };
        near(places(&[1.0, 2.0, 3.0]), &[0.0, 50.0, 100.0]);
        near(places(&[8.0, 16.0, 128.0]), &[0.0, 25.0, 100.0]);
        near(places(&[5.0]), &[50.0]);
    }

    #[test]
    fn names_that_would_lie_on_each_other_are_left_out_and_nothing_to_draw_is_a_picture_too() {
        let crowded = chart(vec![
            point("1000", Some(1000.0), 0.5),
            point("1001", Some(1001.0), 0.5),
            point("1999", Some(1999.0), 0.5),
        ]);
        let svg = crowded.svg();
        assert!(svg.contains(">1000<") && !svg.contains(">1001<") && svg.contains(">1999<"));
        assert!(chart(Vec::new()).svg().ends_with("</svg>\n"));
    }
}
