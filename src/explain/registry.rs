//! Every method there is. A new one is a file in its family and a line here.

use super::attention::flow::AttentionFlow;
use super::attention::gradient_attention::GradientAttention;
use super::attention::rollout::AttentionRollout;
use super::attention::value_zeroing::ValueZeroing;
use super::attribution::gradient::attn_lrp::AttnLrp;
use super::attribution::gradient::deep_lift::DeepLift;
use super::attribution::gradient::gradient_shap::GradientShap;
use super::attribution::gradient::input_x_gradient::InputXGradient;
use super::attribution::gradient::integrated_gradients::IntegratedGradients;
use super::attribution::gradient::saliency::Saliency;
use super::attribution::gradient::smooth_grad::SmoothGrad;
use super::attribution::perturbation::exact_shapley::ExactShapley;
use super::attribution::perturbation::kernel_shap::KernelShap;
use super::attribution::perturbation::leave_one_out::LeaveOneOut;
use super::attribution::perturbation::lime::Lime;
use super::attribution::perturbation::occlusion::Occlusion;
use super::attribution::perturbation::partition_shap::PartitionShap;
use super::attribution::perturbation::shapley_sampling::ShapleySampling;
use super::attribution::random::Random;
use super::method::{Method, Registered};

/// All methods, in the order they are listed to users.
pub static METHODS: &[&dyn Method] = &[
    &Registered::<IntegratedGradients>::new(),
    &Registered::<Saliency>::new(),
    &Registered::<InputXGradient>::new(),
    &Registered::<SmoothGrad>::new(),
    &Registered::<GradientShap>::new(),
    &Registered::<DeepLift>::new(),
    &Registered::<AttnLrp>::new(),
    &Registered::<LeaveOneOut>::new(),
    &Registered::<Occlusion>::new(),
    &Registered::<Lime>::new(),
    &Registered::<KernelShap>::new(),
    &Registered::<PartitionShap>::new(),
    &Registered::<ShapleySampling>::new(),
    &Registered::<ExactShapley>::new(),
    &Registered::<AttentionRollout>::new(),
    &Registered::<AttentionFlow>::new(),
    &Registered::<GradientAttention>::new(),
    &Registered::<ValueZeroing>::new(),
    &Registered::<Random>::new(),
];

/// The method a request gets when it names none.
pub const DEFAULT_METHOD: &str = "integrated_gradients";

/// The method of an id.
pub fn find(id: &str) -> Option<&'static dyn Method> {
    METHODS.iter().copied().find(|method| method.id() == id)
}
