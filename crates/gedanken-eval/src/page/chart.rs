//! Small charts as SVG.

use maud::{Markup, html};

/// A bar from 0 to `share`, with its interval as a whisker; its full width is 1.
pub fn interval(share: f64, [low, high]: [f64; 2]) -> Markup {
    let at = |share: f64| format!("{:.1}", 200.0 * share.clamp(0.0, 1.0));
    html! {
        svg viewBox="0 0 200 16" role="img" aria-label=(format!("{:.0} %", 100.0 * share)) {
            rect.track x="0" y="4" width="200" height="8" {}
            rect.fill x="0" y="4" width=(at(share)) height="8" {}
            path.whisker d=(format!("M{0} 8H{1}M{0} 3V13M{1} 3V13", at(low), at(high))) {}
        }
    }
}

/// Width and height of a curve, px, and the room for its numbers.
const SIZE: [f64; 2] = [280.0, 120.0];
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 18.0;
/// Points of a curve that are drawn at most: each the mean of its neighbours.
const POINTS: usize = 140;

/// A curve over updates; the axes run from its least to its greatest numbers.
pub fn line(points: &[(u64, f64)]) -> Markup {
    let drawn = thinned(points);
    let least = |of: fn(&(f64, f64)) -> f64| drawn.iter().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&(f64, f64)) -> f64| drawn.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
    let ([left, right], [low, high]) = ([least(|p| p.0), most(|p| p.0)], [least(|p| p.1), most(|p| p.1)]);
    let share = |value: f64, from: f64, to: f64| if to > from { (value - from) / (to - from) } else { 0.5 };
    let x = |value: f64| LEFT + share(value, left, right) * (SIZE[0] - LEFT - 4.0);
    let y = |value: f64| 4.0 + (1.0 - share(value, low, high)) * (SIZE[1] - BOTTOM - 8.0);
    let path: Vec<String> = drawn.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
    let last = points.last().map_or(f64::NAN, |point| point.1);
    html! {
        svg viewBox=(format!("0 0 {} {}", SIZE[0], SIZE[1])) role="img" aria-label=(format!("ends at {}", short(last))) {
            path.axis d=(format!("M{LEFT} 4V{0}H{1}", SIZE[1] - BOTTOM, SIZE[0] - 4.0)) {}
            polyline.curve points=(path.join(" ")) {}
            text.y x=(LEFT - 5.0) y="12" { (short(high)) }
            text.y x=(LEFT - 5.0) y=(SIZE[1] - BOTTOM) { (short(low)) }
            text x=(LEFT) y=(SIZE[1] - 4.0) { (left) }
            text.y x=(SIZE[0] - 4.0) y=(SIZE[1] - 4.0) { (right) " updates; ends at " (short(last)) }
        }
    }
}

/// At most [`POINTS`] points, each the mean of some neighbours.
fn thinned(points: &[(u64, f64)]) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(POINTS).max(1);
    let mean = |chunk: &[(u64, f64)]| {
        let n = chunk.len() as f64;
        let sums = chunk.iter().fold((0.0, 0.0), |sums, point| (sums.0 + point.0 as f64, sums.1 + point.1));
        (sums.0 / n, sums.1 / n)
    };
    points.chunks(size).map(mean).collect()
}

/// Three digits.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if (1e-3..1e5).contains(&size) => {
            let digits = (2 - size.log10().floor() as i32).clamp(0, 5) as usize;
            format!("{value:.digits$}")
        }
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let told = [0.0, 12.345, 0.098_76, 1234.5, 1e-6, -0.5].map(short);
        assert_eq!(told, ["0", "12.3", "0.0988", "1234", "1.0e-6", "-0.500"]);
    }

    #[test]
    fn a_curve_goes_from_corner_to_corner() {
        let drawn = line(&[(0, 1.0), (10, 3.0)]).into_string();
        assert!(drawn.contains("points=\"52.0,98.0 276.0,4.0\""), "{drawn}");
    }

    #[test]
    fn a_long_curve_is_drawn_by_means() {
        let points: Vec<(u64, f64)> = (0..1000).map(|i| (i, i as f64)).collect();
        let drawn = thinned(&points);
        assert!(drawn.len() <= POINTS);
        assert_eq!(drawn[0], (3.5, 3.5));
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        let drawn = interval(0.25, [0.1, 0.5]).into_string();
        assert!(drawn.contains("width=\"50.0\"") && drawn.contains("M20.0 8H100.0"), "{drawn}");
    }
}
