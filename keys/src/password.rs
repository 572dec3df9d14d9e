//! How hard a password is to guess.

use zeroize::Zeroizing;
use zxcvbn::{Entropy, Score, zxcvbn};

/// The least that zxcvbn must say of a new password: 10^8 guesses and more.
///
/// Key files have one salt for everybody, so guesses are paid for once and tried on every file there is; at a second and
/// half a gibibyte each, fewer are within a determined thief's reach.
const MIN_SCORE: Score = Score::Three;

/// How much of a password is judged at once. In longer ones zxcvbn 3.1 multiplies past 64 bits (20! still fits), which
/// would be a panic here; and who has not chosen well in any twenty characters in a row has not chosen well.
const WINDOW_CHARS: usize = 20;

/// From one window to the next.
const STEP_CHARS: usize = 10;

/// More than anybody types; the rest adds nothing to the verdict.
const MAX_JUDGED_CHARS: usize = 200;

/// A password is too easy to guess.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the password falls after some 10^{guesses_log10} guesses, and 10^8 are the least here{advice}; take a longer one, or \
     allow it with `--weak-password`"
)]
pub struct WeakPassword {
    guesses_log10: u32,
    /// What zxcvbn says, punctuation in front.
    advice: String,
}

/// Refuses a password that is easy to guess. `related` are words that a thief would try first, such as the wallet's name.
///
/// The message shows nothing of the password.
pub fn check_strength(password: &str, related: &[&str]) -> Result<(), WeakPassword> {
    let related: Vec<_> = related.iter().copied().chain(["bittensor", "narrows", "coldkey", "hotkey"]).collect();
    let characters: Vec<_> = password.chars().take(MAX_JUDGED_CHARS).collect();
    let characters = Zeroizing::new(characters);
    let windows = (0..=characters.len().saturating_sub(WINDOW_CHARS).div_ceil(STEP_CHARS)).map(|step| {
        let window = characters.iter().skip(step * STEP_CHARS).take(WINDOW_CHARS);
        zxcvbn(&Zeroizing::new(window.collect::<String>()), &related)
    });
    let Some(estimate) = windows.max_by_key(Entropy::guesses) else { return Ok(()) };
    if estimate.score() >= MIN_SCORE {
        return Ok(());
    }
    let feedback = estimate.feedback();
    let warning = feedback.and_then(zxcvbn::feedback::Feedback::warning).map(|warning| warning.to_string());
    let suggestions = feedback.map(zxcvbn::feedback::Feedback::suggestions).unwrap_or_default();
    let advice: Vec<_> = warning.into_iter().chain(suggestions.iter().map(ToString::to_string)).collect();
    let advice = if advice.is_empty() { String::new() } else { format!(" ({})", advice.join(" ")) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small logarithm, for reading")]
    let guesses_log10 = estimate.guesses_log10().max(0.0) as u32;
    Err(WeakPassword { guesses_log10, advice })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_ones_are_refused_and_not_shown() {
        for weak in ["", "x", "password", "P@ssw0rd1", "qwertyuiop", "bittensor2024", &"a".repeat(300), "11111111"] {
            let refused = check_strength(weak, &[]).unwrap_err().to_string();
            assert!(refused.contains("--weak-password"), "{refused}");
        }
        assert!(!check_strength("qwertyuiop", &[]).unwrap_err().to_string().contains("qwertyuiop"));
    }

    #[test]
    fn the_name_of_the_wallet_is_no_password() {
        check_strength("vrelmiqatno", &[]).unwrap();
        check_strength("vrelmiqatno", &["vrelmiqatno"]).unwrap_err();
    }

    #[test]
    fn good_ones_pass_whatever_their_alphabet() {
        for good in [
            "Throwaway-Passw0rd!42",
            "correct horse battery staple",
            "пароль-из-семи-слов",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa8vK!mq2Zt#w",
        ] {
            check_strength(good, &[]).unwrap();
        }
    }

    #[test]
    fn none_is_too_long_or_too_odd_to_judge() {
        for unit in ["g7", "a ", "!QASW@#EDFR$%TGHY^&UJKI*(OL", "1", "é", "\u{10ffff}\0", "aB3$"] {
            for times in [1, 9, 10, 11, 20, 21, 100, 5000] {
                let _ = check_strength(&unit.repeat(times), &[unit]);
            }
        }
    }
}
