/* TensorFlow's operations around `winograd.c`. They are registered when the library is loaded. */
#include "../../system/native/tensorflow.h"
#include "winograd.h"
#include <stdbool.h>
#include <string.h>

typedef int algorithm(const void *, const void *, void *, convolution_shape, winograd_means);

enum { TENSORS = 3, INPUTS = 2, RANK = 4, TAPS = 3 };

/* An operation, and which of its tensors, the two inputs and the output, is which. */
typedef struct {
    const char *name, *tensors[TENSORS];
    algorithm *compute;
    int x, y, kernel;
} operation;

static const operation CONVOLUTION = {
    "CifarFastConvolution", {"x: T", "kernel: float", "y: T"}, winograd_convolution,
    .x = 0, .kernel = 1, .y = 2};
static const operation INPUT_GRADIENT = {
    "CifarFastInputGradient", {"dy: T", "kernel: float", "dx: T"}, winograd_input_gradient,
    .y = 0, .kernel = 1, .x = 2};
static const operation KERNEL_GRADIENT = {
    "CifarFastKernelGradient", {"x: T", "dy: T", "dkernel: float"}, winograd_kernel_gradient,
    .x = 0, .y = 1, .kernel = 2};

static void set_dims(int64_t *dims, size_t a, size_t b, size_t c, size_t d)
{
    dims[0] = a, dims[1] = b, dims[2] = c, dims[3] = d;
}

/* The sizes of a convolution from those of its inputs, and those of its output; returns whether the inputs agree, and
   are of whole lanes. */
static bool infer(const operation *op, int64_t dims[TENSORS][RANK], size_t lanes, convolution_shape *s)
{
    const int64_t *images = dims[0];  /* x or dy */
    s->images = images[0], s->height = images[1], s->width = images[2];
    s->channels = op->x < INPUTS ? dims[op->x][3] : dims[op->kernel][2];
    s->filters = op->y < INPUTS ? dims[op->y][3] : dims[op->kernel][3];
    int64_t expected[TENSORS][RANK];
    set_dims(expected[op->x], s->images, s->height, s->width, s->channels);
    set_dims(expected[op->y], s->images, s->height, s->width, s->filters);
    set_dims(expected[op->kernel], TAPS, TAPS, s->channels, s->filters);
    memcpy(dims[INPUTS], expected[INPUTS], sizeof expected[INPUTS]);
    return !memcmp(dims, expected, sizeof expected) && s->height && s->width && s->channels % lanes == 0
        && s->filters % lanes == 0;
}

static void apply(const operation *op, void *means, TF_OpKernelContext *context)
{
    winograd_means by = {(intptr_t)means / 2, (intptr_t)means % 2, 0};
    TF_Status *status = TF_NewStatus();
    TF_Tensor *tensors[TENSORS] = {NULL};
    int64_t dims[TENSORS][RANK] = {0};
    convolution_shape shape;
    for (int i = 0; i < INPUTS && TF_GetCode(status) == TF_OK; i++) {
        TF_GetInput(context, i, &tensors[i], status);
        if (TF_GetCode(status) == TF_OK && TF_NumDims(tensors[i]) != RANK)
            TF_SetStatus(status, TF_INVALID_ARGUMENT, "needs inputs of four dimensions");
        for (int d = 0; d < RANK && TF_GetCode(status) == TF_OK; d++)
            dims[i][d] = TF_Dim(tensors[i], d);
    }
    if (TF_GetCode(status) == TF_OK) {
        by.bfloat16 = TF_TensorType(tensors[0]) == TF_BFLOAT16;
        if (!infer(op, dims, by.bfloat16 ? 2 * WINOGRAD_LANES : WINOGRAD_LANES, &shape))
            TF_SetStatus(status, TF_INVALID_ARGUMENT, "the inputs' sizes differ, images have no pixels, the kernel is "
                         "not 3x3, or channels or filters are no multiple of 16, or of 32 in bfloat16");
    }
    if (TF_GetCode(status) == TF_OK) {
        size_t numbers = dims[INPUTS][0] * dims[INPUTS][1] * dims[INPUTS][2] * dims[INPUTS][3];
        int type = op->kernel == INPUTS ? TF_FLOAT : TF_TensorType(tensors[0]);
        tensors[INPUTS] = TF_AllocateOutput(context, 0, type, dims[INPUTS], RANK, numbers * TF_DataTypeSize(type),
                                            status);
    }
    if (TF_GetCode(status) == TF_OK
        && op->compute(TF_TensorData(tensors[0]), TF_TensorData(tensors[1]), TF_TensorData(tensors[2]), shape, by))
        TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, "no memory for a convolution");
    if (TF_GetCode(status) != TF_OK)
        TF_OpKernelContext_Failure(context, status);
    for (int i = 0; i < TENSORS; i++)
        if (tensors[i])
            TF_DeleteTensor(tensors[i]);
    TF_DeleteStatus(status);
}

/* What a kernel remembers is its means, in place of a pointer: twice its threads, and one more if it is wide. */

static void *read_means(TF_OpKernelConstruction *construction)
{
    TF_Status *status = TF_NewStatus();
    int32_t threads = 1;
    unsigned char wide = 0;
    TF_OpKernelConstruction_GetAttrInt32(construction, "threads", &threads, status);
    TF_OpKernelConstruction_GetAttrBool(construction, "wide", &wide, status);
    TF_DeleteStatus(status);  /* the definition has these attributes */
    return (void *)(2 * (intptr_t)threads + wide);
}

static void forget(void *means) { (void)means; }

static void convolve(void *means, TF_OpKernelContext *on) { apply(&CONVOLUTION, means, on); }
static void by_input(void *means, TF_OpKernelContext *on) { apply(&INPUT_GRADIENT, means, on); }
static void by_kernel(void *means, TF_OpKernelContext *on) { apply(&KERNEL_GRADIENT, means, on); }

static void add(const operation *op, void (*on_cpu)(void *, TF_OpKernelContext *))
{
    TF_Status *status = TF_NewStatus();
    TF_OpDefinitionBuilder *definition = TF_NewOpDefinitionBuilder(op->name);
    for (int i = 0; i < INPUTS; i++)
        TF_OpDefinitionBuilderAddInput(definition, op->tensors[i]);
    TF_OpDefinitionBuilderAddOutput(definition, op->tensors[INPUTS]);
    TF_OpDefinitionBuilderAddAttr(definition, WINOGRAD_BFLOAT16 ? "T: {float, bfloat16}" : "T: {float}");
    TF_OpDefinitionBuilderAddAttr(definition, "threads: int >= 1");
    TF_OpDefinitionBuilderAddAttr(definition, "wide: bool");
    /* The caller says what shapes come out. */
    TF_OpDefinitionBuilderSetShapeInferenceFunction(definition, TF_ShapeInferenceContextSetUnknownShape);
    TF_RegisterOpDefinition(definition, status);
    TF_RegisterKernelBuilder(op->name, TF_NewKernelBuilder(op->name, "CPU", read_means, on_cpu, forget), status);
    TF_DeleteStatus(status);  /* TensorFlow refuses to load what failed to register */
}

__attribute__((constructor)) static void register_operations(void)
{
    add(&CONVOLUTION, convolve);
    add(&INPUT_GRADIENT, by_input);
    add(&KERNEL_GRADIENT, by_kernel);
}
