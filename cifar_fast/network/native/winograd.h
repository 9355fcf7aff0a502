/* Convolutions of 3×3 and stride 1, with a margin of zeros. Arrays lie as TensorFlow's: x is [images, height, width,
   channels], y [images, height, width, filters], both float32 or bfloat16; a kernel [3, 3, channels, filters], float32.
   Channels and filters are multiples of WINOGRAD_LANES, and in bfloat16 of twice as many. What returns int returns 0,
   or -1 where there is no memory for it. */
#pragma once
#include <stddef.h>

enum { WINOGRAD_LANES = 16 };

/* Whether this compiler knows AVX-512's bfloat16; without it there is none. */
#if defined __has_include && __has_include(<avx512bf16intrin.h>)
#define WINOGRAD_BFLOAT16 1
#else
#define WINOGRAD_BFLOAT16 0
#endif

typedef struct { size_t images, height, width, channels, filters; } convolution_shape;

/* wide: whether the processor has AVX-512, and it may be used; bfloat16: what x and y are, which needs AVX-512's. */
typedef struct { int threads, wide, bfloat16; } winograd_means;

/* bias, float32 [filters], is added, and skip, an array like y. */
int winograd_convolution(const void *x, const void *kernel, const void *bias, const void *skip, void *y,
                         convolution_shape shape, winograd_means by);

/* The gradient by x. */
int winograd_input_gradient(const void *dy, const void *kernel, void *dx, convolution_shape shape, winograd_means by);

/* The gradient by the kernel. */
int winograd_kernel_gradient(const void *x, const void *dy, void *dkernel, convolution_shape shape, winograd_means by);

/* What is added to a convolution, NULL for nothing. */
typedef struct { const float *bias; const void *skip; } winograd_sums;

/* A form of them: one text, compiled for one kind of vectors. With turned, the kernel is [3, 3, filters, channels], and
   turned around: the gradient by x is that of dy. */
typedef struct {
    int (*convolution)(const void *x, const float *kernel, winograd_sums added, void *y, convolution_shape shape,
                       int turned, int threads);
    int (*kernel_gradient)(const void *x, const void *dy, float *dkernel, convolution_shape shape, int threads);
    size_t strip;  /* filters are a multiple of it */
} winograd_form;

extern const winograd_form winograd_avx2, winograd_avx512, winograd_avx512bf16;
