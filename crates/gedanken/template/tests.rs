
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_keeps_its_promises() {
        let mut env = entry().make(&entry().defaults()).expect("the defaults are good");
        assert_eq!(gedanken::env::conformance::check(env.as_mut()), Ok(()));
        assert_eq!(gedanken::env::conformance::check_options(&entry()), Ok(()));
    }
}
