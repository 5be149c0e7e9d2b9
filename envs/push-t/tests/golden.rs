//! The physics against numbers printed by pymunk (6.8.0 and 7.3.1 agree on every digit) and by gym-pusht 0.1.5.

use gedanken_push_t::Shape;
use gedanken_push_t::physics::{Laws, Motion};

fn laws() -> Laws {
    Laws { geometry: Shape::T.geometry(30.0), mass: 1.0, damping: 0.0, friction: 0.0, radius: 15.0, gain: 100.0 }
}

/// At the start of a rollout: placed, then one substep.
fn place([ax, ay, x, y, angle, vx, vy]: [f64; 7]) -> Motion {
    let laws = laws();
    let mut motion = Motion::at_rest(&laws, [ax, ay], [vx, vy], [x, y], angle);
    motion.substep(&laws);
    motion
}

/// Agent, origin of the block, angle, velocity after each of the relative actions.
fn rollout(state: [f64; 7], actions: &[[f64; 2]]) -> Vec<([f64; 7], usize)> {
    let laws = laws();
    let mut motion = place(state);
    let step = |[dx, dy]: &[f64; 2]| {
        let target = [motion.agent[0] + 100.0 * dx, motion.agent[1] + 100.0 * dy];
        let contacts = motion.control(&laws, target);
        let [x, y] = motion.origin(&laws);
        let [vx, vy] = motion.agent_velocity;
        ([motion.agent[0], motion.agent[1], x, y, motion.angle, vx, vy], contacts.div_ceil(10))
    };
    actions.iter().map(step).collect()
}

fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{what}: found {found}, expected {expected}");
    }
}

/// Half a unit of the fourth digit.
const FOUR: f64 = 0.500_001e-4;
/// Half a unit of the sixth digit.
const SIX: f64 = 0.500_001e-6;

/// `numpy.random.RandomState(0).uniform(-1, 1, (40, 2))`.
const F: [[f64; 2]; 40] = [
    [0.0976270078546495, 0.43037873274483895],
    [0.20552675214328775, 0.08976636599379373],
    [-0.15269040132219058, 0.29178822613331223],
    [-0.12482557747461498, 0.7835460015641595],
    [0.9273255210020586, -0.2331169623484446],
    [0.5834500761653292, 0.05778983950580896],
    [0.13608912218786462, 0.8511932765853221],
    [-0.8579278836042261, -0.8257414005969186],
    [-0.9595632051193486, 0.665239691095876],
    [0.556313501899701, 0.7400242964936383],
    [0.957236684465528, 0.5983171284334472],
    [-0.07704127549413631, 0.5610583525729109],
    [-0.7634511482621336, 0.27984204265504764],
    [-0.7132934251819072, 0.8893378340991678],
    [0.04369664350014335, -0.17067612001895283],
    [-0.47088877579074606, 0.5484673788684333],
    [-0.0876993355669029, 0.13686789773729702],
    [-0.9624203991272897, 0.23527099415175412],
    [0.22419144544484282, 0.23386799374951384],
    [0.8874961570292483, 0.3636405982069668],
    [-0.280984198852428, -0.1259360924013171],
    [0.3952623918545297, -0.8795490567414603],
    [0.33353343089133536, 0.3412757392363188],
    [-0.5792348778523182, -0.7421474046902934],
    [-0.36914329815163227, -0.2725784581147548],
    [0.14039354083575928, -0.1227969730753593],
    [0.9767476761184524, -0.7959103785039439],
    [-0.5822464878103306, -0.6773809642300075],
    [0.30621665093079686, -0.4934167949204358],
    [-0.06737845428738742, -0.5111488159967945],
    [-0.6820608327089606, -0.7792497176713897],
    [0.31265917893054684, -0.7236340973027724],
    [-0.606835276639893, -0.2625496586780718],
    [0.6419864596958702, -0.8057974484138775],
    [0.6758898149976078, -0.8078031842120739],
    [0.9529189300267915, -0.06269759670459685],
    [0.9535221763806743, 0.20969103949009193],
    [0.47852715879660335, -0.9216244154913587],
    [-0.43438607484718084, -0.7596068775736622],
    [-0.40771960495571014, -0.7625445620915119],
];

#[test]
fn a_push_at_the_end_of_the_bar_turns_the_block_as_in_pymunk() {
    let found = rollout([170.0, 315.0, 256.0, 300.0, 0.0, 0.0, 0.0], &[[0.5, 0.0]; 6]);
    let expected = [
        ([184.7836, 315.0, 260.1722, 300.0391, 0.0284, 187.0738], 3),
        ([205.1666, 315.0, 283.2718, 302.2172, 0.1637, 185.8481], 10),
        ([225.5130, 315.0, 305.5652, 307.0691, 0.2703, 185.8561], 9),
        ([245.8596, 315.0, 325.5544, 313.5091, 0.3603, 185.8560], 10),
        ([266.2062, 315.0, 345.6985, 322.0967, 0.4540, 185.8560], 10),
        ([286.5528, 315.0, 363.9164, 331.9883, 0.5502, 185.8560], 10),
    ];
    for ((found, contacts), (expected, points)) in found.iter().zip(expected) {
        close(found, &expected, FOUR, "A");
        // The table counts points over the ten substeps.
        assert_eq!(*contacts, usize::div_ceil(points, 10));
    }
}

#[test]
fn a_push_at_the_tip_of_the_stem_slides_past_as_in_pymunk() {
    let found = rollout([200.0, 400.0, 256.0, 300.0, 0.0, 0.0, 0.0], &[[0.6, 0.0]; 8]);
    let expected = [
        [217.7403, 400.0, 256.0, 300.0, 0.0],
        [242.2, 400.0, 257.5336, 299.9784, -0.1391],
        [266.6156, 400.0, 260.4422, 299.3808, -0.3592],
        [291.0315, 400.0, 262.5746, 298.4706, -0.5611],
        [315.4474, 400.0, 263.3334, 298.0137, -0.7230],
        [339.8633, 400.0, 263.0165, 298.2403, -0.8754],
    ];
    for ((found, _), expected) in found.iter().zip(expected) {
        close(found, &expected, FOUR, "B");
    }
    for (found, _) in &found[6..] {
        close(&found[2..], &[262.7703, 298.0688, -0.8922], FOUR, "B, past the tip");
    }
}

#[test]
fn a_block_crushed_into_a_wall_ends_where_pymunk_puts_it() {
    let found = rollout([380.0, 345.0, 430.0, 300.0, 0.0, 0.0, 0.0], &[[0.6, 0.0]; 10]);
    let expected = [
        (2, [441.346, 295.2518, -0.1851]),
        (4, [429.7821, 223.8967, -0.5459]),
        (6, [427.8978, 220.8738, -0.5597]),
        (10, [427.8683, 220.8292, -0.5578]),
    ];
    for (step, expected) in expected {
        close(&found[step - 1].0[2..5], &expected, FOUR, &format!("C, step {step}"));
    }
    close(&found[9].0[..1], &[617.527], 0.5e-3, "C, the agent");
}

#[test]
fn the_agent_goes_through_walls() {
    let found = rollout([480.0, 400.0, 256.0, 300.0, 0.0, 0.0, 0.0], &[[1.0, 0.0]; 4]);
    for ((found, _), x) in found.iter().zip([509.5672, 550.3333, 591.0260, 631.7192]) {
        close(found, &[x, 400.0], FOUR, "E");
    }
}

#[test]
fn forty_random_actions_end_where_pymunk_ends() {
    let found = rollout([220.0, 300.0, 256.0, 300.0, 0.7, 0.0, 0.0], &F);
    let expected = [289.891032, 168.910757, 347.523656, 359.208621, 0.399662, -151.474833, -283.456880];
    close(&found[39].0, &expected, SIX, "F");
}

#[test]
fn a_block_is_crushed_against_a_wall_and_pushed_into_it_as_in_pymunk() {
    let laws = laws();
    let mut motion = place([300.0, 300.0, 400.0, 280.0, 0.3, 0.0, 0.0]);
    for _ in 0..60 {
        let way = [600.0 - motion.agent[0], 300.0 - motion.agent[1]];
        let target = [0, 1].map(|i| motion.agent[i] + 100.0 * (way[i] / 100.0).clamp(-1.0, 1.0));
        motion.control(&laws, target);
    }
    let [x, y] = motion.origin(&laws);
    close(&[x, y, motion.angle], &[500.820_600_886, 307.770_570_808, 1.519_888_876], 1e-6, "crushed");
}

/// `pymunk` 6.8.1, set up as in `benches/peers/push_t_pymunk.py` but for `space.damping = 0.5` and the friction of every shape, the root of
/// 0.5: the product of two is 0.5.
#[test]
fn friction_and_a_block_that_coasts_follow_pymunk_into_the_corner() {
    let laws = Laws { friction: 0.5, damping: 0.5, ..laws() };
    let mut motion = Motion::at_rest(&laws, [300.0, 230.0], [0.0; 2], [400.0, 240.0], 1.2);
    motion.substep(&laws);
    let pushes = [([0.6, 0.1], 4), ([0.3, 0.6], 6), ([-0.5, 0.2], 2), ([0.4, -0.3], 4)];
    let pushes = pushes.into_iter().flat_map(|(push, times)| std::iter::repeat_n(push, times));
    let expected = [
        [400.0, 240.0, 1.2],
        [404.715142, 243.69476, 1.178163],
        [419.151327, 251.420602, 1.166697],
        [443.627527, 258.591817, 1.227829],
        [464.830778, 275.838194, 1.254806],
        [483.017865, 298.793933, 1.249242],
        [489.760497, 328.85085, 1.319854],
        [493.761096, 360.272033, 1.405811],
        [501.739333, 390.30986, 1.532598],
        [511.317329, 418.419567, 1.606921],
        [508.740217, 435.79067, 1.594631],
        [505.971202, 444.68526, 1.573566],
        [503.808676, 443.759257, 1.551171],
        [503.126827, 443.217422, 1.547325],
        [498.102826, 442.80994, 1.82437],
        [430.412948, 426.522112, 2.85548],
    ];
    for (step, ([dx, dy], expected)) in pushes.zip(expected).enumerate() {
        let target = [motion.agent[0] + 100.0 * dx, motion.agent[1] + 100.0 * dy];
        motion.control(&laws, target);
        let [x, y] = motion.origin(&laws);
        close(&[x, y, motion.angle], &expected, SIX, &format!("step {step}"));
    }
}
