/* Which form of the convolutions computes: that of bfloat16; in float32 the wide one, where the processor has its
   instructions, as the caller says, and the shape has whole strips of its vectors. */
#include "winograd.h"

static const winograd_form *form_for(convolution_shape shape, winograd_means by)
{
#if WINOGRAD_BFLOAT16
    if (by.bfloat16)
        return &winograd_avx512bf16;
#endif
    return by.wide && shape.filters % winograd_avx512.strip == 0 ? &winograd_avx512 : &winograd_avx2;
}

int winograd_convolution(const void *x, const void *kernel, const void *bias, const void *skip, void *y,
                         convolution_shape shape, winograd_means by)
{
    return form_for(shape, by)->convolution(x, kernel, (winograd_sums){bias, skip}, y, shape, 0, by.threads);
}

int winograd_input_gradient(const void *dy, const void *kernel, void *dx, convolution_shape shape, winograd_means by)
{
    convolution_shape turned = {shape.images, shape.height, shape.width, shape.filters, shape.channels};
    return form_for(turned, by)->convolution(dy, kernel, (winograd_sums){NULL, NULL}, dx, turned, 1, by.threads);
}

int winograd_kernel_gradient(const void *x, const void *dy, void *dkernel, convolution_shape shape, winograd_means by)
{
    return form_for(shape, by)->kernel_gradient(x, dy, dkernel, shape, by.threads);
}
