//! Every method there is. A new one is a file in its family and a line here.

use super::attention::rollout::AttentionRollout;
use super::attribution::input_x_gradient::InputXGradient;
use super::attribution::integrated_gradients::IntegratedGradients;
use super::attribution::random::Random;
use super::attribution::saliency::Saliency;
use super::method::{Method, Registered};

/// All methods, in the order they are listed to users.
pub static METHODS: &[&dyn Method] = &[
    &Registered::<IntegratedGradients>::new(),
    &Registered::<Saliency>::new(),
    &Registered::<InputXGradient>::new(),
    &Registered::<AttentionRollout>::new(),
    &Registered::<Random>::new(),
];

/// The method a request gets when it names none.
pub const DEFAULT_METHOD: &str = "integrated_gradients";

/// The method of an id.
pub fn find(id: &str) -> Option<&'static dyn Method> {
    METHODS.iter().copied().find(|method| method.id() == id)
}
