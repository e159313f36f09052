//! The noise of an image (Stoehr et al. 2007, "DER_SNR"; Pence, White & Seaman 2010): from differences of third order, which a smooth background and stars
//! hardly change, by the median absolute deviation.

/// What makes a standard deviation of the median of the differences of pixels with Gaussian noise.
const MEDIAN_TO_SIGMA: f64 = 0.605_269_7;
/// The pixels of a difference lie this far apart.
const DISTANCE: usize = 2;

/// The standard deviation of the noise of a tile with rows of `row_len` pixels: the median of that of its rows, of those that have any. NaN are left out.
/// 0 where no row has noise.
pub(crate) fn sigma<T: Copy + Into<f64>>(pixels: &[T], row_len: usize) -> f64 {
    // Short rows make one.
    let row_len = if row_len > 2 * DISTANCE { row_len } else { pixels.len() };
    let mut finite = Vec::with_capacity(row_len);
    let mut differences = Vec::with_capacity(row_len);
    let mut sigmas = Vec::new();
    for row in pixels.chunks(row_len.max(1)) {
        finite.clear();
        finite.extend(row.iter().map(|&pixel| pixel.into()).filter(|pixel: &f64| pixel.is_finite()));
        differences.clear();
        let triples = finite.iter().zip(finite.iter().skip(DISTANCE)).zip(finite.iter().skip(2 * DISTANCE));
        differences.extend(triples.map(|((before, pixel), after)| (2.0 * pixel - before - after).abs()));
        sigmas.extend(median(&mut differences).filter(|&median| median > 0.0));
    }
    median(&mut sigmas).unwrap_or(0.0) * MEDIAN_TO_SIGMA
}

/// The median, the lower one of two; the order of the values changes.
fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that are about Gaussian with a deviation of 1: sums of twelve even ones.
    fn noise(count: usize) -> Vec<f32> {
        let mut state = 1u64;
        let mut even = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1u64 << 24) as f64
        };
        (0..count).map(|_| ((0..12).map(|_| even()).sum::<f64>() - 6.0) as f32).collect()
    }

    #[test]
    fn the_noise_is_found_below_a_gradient_and_stars() {
        let mut pixels: Vec<f32> = noise(40_000).iter().enumerate().map(|(i, n)| 5.0 * n + i as f32 * 0.01).collect();
        pixels.iter_mut().step_by(500).for_each(|pixel| *pixel += 10_000.0);
        pixels.iter_mut().skip(7).step_by(300).for_each(|pixel| *pixel = f32::NAN);
        let found = sigma(&pixels, 200);
        assert!((found - 5.0).abs() < 0.3, "{found}");
        assert!((sigma(&pixels, 1) - 5.0).abs() < 0.3);
    }

    #[test]
    fn without_noise_there_is_none() {
        for pixels in [vec![], vec![1.0_f32], vec![3.0; 100], vec![f32::NAN; 9]] {
            assert_eq!(sigma(&pixels, 10), 0.0);
        }
    }
}
