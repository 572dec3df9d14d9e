//! Functions compiled once for each instruction set, chosen when they are called.

/// Declares functions whose body is compiled for every instruction set; each takes the [`crate::Cpu`] that decides before
/// its own arguments. What the body calls must be `#[inline(always)]` to be compiled along. (A closure would not do: what
/// does not fit the inliner's taste would silently stay at the baseline's instructions.)
macro_rules! kernels {
    ($($(#[$doc:meta])* $visible:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$doc])*
        $visible fn $name(cpu: &$crate::cpu::Cpu, $($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn kernel($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,bmi1,bmi2,fma,lzcnt")]
            fn avx2($($argument: $type),*) $(-> $result)? { kernel($($argument),*) }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,fma,lzcnt")]
            fn avx512($($argument: $type),*) $(-> $result)? { kernel($($argument),*) }

            match cpu.arch() {
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "whoever holds this value has asked the processor for these instructions")]
                // SAFETY: V3 exists only where the processor has what `avx2` asks for.
                pulp::Arch::V3(_) => unsafe { avx2($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "whoever holds this value has asked the processor for these instructions")]
                // SAFETY: V4 exists only where the processor has what `avx512` asks for.
                pulp::Arch::V4(_) => unsafe { avx512($($argument),*) },
                // NEON is part of the baseline where there is any.
                _ => kernel($($argument),*),
            }
        }
    )*};
}

pub(crate) use kernels;
