/* Which form of the convolutions computes: the wide one where the processor has its instructions, as the caller says,
   and the shape has whole strips of its vectors. */
#include "winograd.h"

#define FORMS(name) \
    int convolution_##name(const float *, const float *, float *, convolution_shape, int turned, int threads); \
    int kernel_gradient_##name(const float *, const float *, float *, convolution_shape, int threads);
FORMS(avx2)
FORMS(avx512)

enum { WIDE_STRIP = 2 * WINOGRAD_LANES };  /* filters that the wide form takes together */

static int serves(convolution_shape shape, winograd_means by)
{
    return by.wide && shape.filters % WIDE_STRIP == 0;
}

static int convolution(const float *x, const float *kernel, float *y, convolution_shape shape, int turned,
                       winograd_means by)
{
    return (serves(shape, by) ? convolution_avx512 : convolution_avx2)(x, kernel, y, shape, turned, by.threads);
}

int winograd_convolution(const float *x, const float *kernel, float *y, convolution_shape shape, winograd_means by)
{
    return convolution(x, kernel, y, shape, 0, by);
}

int winograd_input_gradient(const float *dy, const float *kernel, float *dx, convolution_shape shape, winograd_means by)
{
    convolution_shape turned = {shape.images, shape.height, shape.width, shape.filters, shape.channels};
    return convolution(dy, kernel, dx, turned, 1, by);
}

int winograd_kernel_gradient(const float *x, const float *dy, float *dkernel, convolution_shape shape,
                             winograd_means by)
{
    return (serves(shape, by) ? kernel_gradient_avx512 : kernel_gradient_avx2)(x, dy, dkernel, shape, by.threads);
}
