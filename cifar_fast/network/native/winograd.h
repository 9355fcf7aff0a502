/* Convolutions of 3×3 and stride 1, with a margin of zeros, in float32. Arrays lie as TensorFlow's: x is [images,
   height, width, channels], y [images, height, width, filters], a kernel [3, 3, channels, filters]; channels and filters
   are multiples of WINOGRAD_LANES. What returns int returns 0, or -1 where there is no memory for it. */
#pragma once
#include <stddef.h>

enum { WINOGRAD_LANES = 16 };

typedef struct { size_t images, height, width, channels, filters; } convolution_shape;

/* wide: whether the processor has AVX-512, and it may be used. */
typedef struct { int threads, wide; } winograd_means;

int winograd_convolution(const float *x, const float *kernel, float *y, convolution_shape shape, winograd_means by);

/* The gradient by x. */
int winograd_input_gradient(const float *dy, const float *kernel, float *dx, convolution_shape shape, winograd_means by);

/* The gradient by the kernel. */
int winograd_kernel_gradient(const float *x, const float *dy, float *dkernel, convolution_shape shape, winograd_means by);

/* A form of them: one text, compiled for one kind of vectors. With turned, the kernel is [3, 3, filters, channels], and
   turned around: the gradient by x is that of dy. */
typedef struct {
    int (*convolution)(const void *x, const float *kernel, void *y, convolution_shape shape, int turned, int threads);
    int (*kernel_gradient)(const void *x, const void *dy, float *dkernel, convolution_shape shape, int threads);
    size_t strip;  /* filters are a multiple of it */
} winograd_form;

extern const winograd_form winograd_avx2, winograd_avx512;
