/* TensorFlow's operations around `winograd.c`. They are registered when the library is loaded. */
#include "../../system/native/tensorflow.h"
#include "winograd.h"
#include <stdbool.h>
#include <string.h>

/* The two first inputs are what is multiplied; `OUTPUT` is a place among the sizes of these and of what comes out. */
enum { MULTIPLIED = 2, OUTPUT = MULTIPLIED, BIAS = 2, SKIP = 3, MOST = 4, RANK = 4, TAPS = 3 };

typedef int algorithm(const void *const inputs[MOST], void *output, convolution_shape, winograd_means);

/* An operation, and which of the two first inputs and the output is which. */
typedef struct {
    const char *name, *inputs[MOST], *output;
    algorithm *compute;
    int x, y, kernel;
} operation;

static int convolution(const void *const in[MOST], void *y, convolution_shape shape, winograd_means by)
{
    return winograd_convolution(in[0], in[1], in[BIAS], in[SKIP], y, shape, by);
}

static int input_gradient(const void *const in[MOST], void *dx, convolution_shape shape, winograd_means by)
{
    return winograd_input_gradient(in[0], in[1], dx, shape, by);
}

static int kernel_gradient(const void *const in[MOST], void *dkernel, convolution_shape shape, winograd_means by)
{
    return winograd_kernel_gradient(in[0], in[1], dkernel, shape, by);
}

static const operation CONVOLUTION = {
    "CifarFastConvolution", {"x: T", "kernel: float", "bias: float", "skip: N * T"}, "y: T", convolution,
    .x = 0, .kernel = 1, .y = OUTPUT};
static const operation INPUT_GRADIENT = {
    "CifarFastInputGradient", {"dy: T", "kernel: float"}, "dx: T", input_gradient,
    .y = 0, .kernel = 1, .x = OUTPUT};
static const operation KERNEL_GRADIENT = {
    "CifarFastKernelGradient", {"x: T", "dy: T"}, "dkernel: float", kernel_gradient,
    .x = 0, .y = 1, .kernel = OUTPUT};

static void set_dims(int64_t *dims, size_t a, size_t b, size_t c, size_t d)
{
    dims[0] = a, dims[1] = b, dims[2] = c, dims[3] = d;
}

/* The sizes of a convolution from those of its inputs, and those of its output; returns whether the inputs agree, and
   are of whole lanes. */
static bool infer(const operation *op, int64_t dims[OUTPUT + 1][RANK], size_t lanes, convolution_shape *s)
{
    const int64_t *images = dims[0];  /* x or dy */
    s->images = images[0], s->height = images[1], s->width = images[2];
    s->channels = op->x < OUTPUT ? dims[op->x][3] : dims[op->kernel][2];
    s->filters = op->y < OUTPUT ? dims[op->y][3] : dims[op->kernel][3];
    int64_t expected[OUTPUT + 1][RANK];
    set_dims(expected[op->x], s->images, s->height, s->width, s->channels);
    set_dims(expected[op->y], s->images, s->height, s->width, s->filters);
    set_dims(expected[op->kernel], TAPS, TAPS, s->channels, s->filters);
    memcpy(dims[OUTPUT], expected[OUTPUT], sizeof expected[OUTPUT]);
    return !memcmp(dims, expected, sizeof expected) && s->height && s->width && s->channels % lanes == 0
        && s->filters % lanes == 0;
}

/* Whether a tensor has the last `rank` of some sizes. */
static bool has(const TF_Tensor *tensor, const int64_t *dims, int rank)
{
    bool same = TF_NumDims(tensor) == rank;
    for (int d = 0; same && d < rank; d++)
        same = TF_Dim(tensor, d) == dims[RANK - rank + d];
    return same;
}

static void apply(const operation *op, void *means, TF_OpKernelContext *context)
{
    winograd_means by = {(intptr_t)means / 2, (intptr_t)means % 2, 0};
    TF_Status *status = TF_NewStatus();
    TF_Tensor *in[MOST] = {NULL}, *out = NULL;
    const void *data[MOST] = {NULL};
    int64_t dims[OUTPUT + 1][RANK] = {0};
    convolution_shape shape;
    int inputs = TF_NumInputs(context);
    if (inputs > MOST)
        TF_SetStatus(status, TF_INVALID_ARGUMENT, "adds one array at most");
    for (int i = 0; i < inputs && TF_GetCode(status) == TF_OK; i++) {
        TF_GetInput(context, i, &in[i], status);
        if (TF_GetCode(status) != TF_OK)
            break;
        data[i] = TF_TensorData(in[i]);
        if (i < MULTIPLIED && TF_NumDims(in[i]) != RANK)
            TF_SetStatus(status, TF_INVALID_ARGUMENT, "needs inputs of four dimensions");
        for (int d = 0; i < MULTIPLIED && d < RANK && TF_GetCode(status) == TF_OK; d++)
            dims[i][d] = TF_Dim(in[i], d);
    }
    if (TF_GetCode(status) == TF_OK) {
        by.bfloat16 = TF_TensorType(in[0]) == TF_BFLOAT16;
        if (!infer(op, dims, by.bfloat16 ? 2 * WINOGRAD_LANES : WINOGRAD_LANES, &shape)
            || (in[BIAS] && !has(in[BIAS], dims[OUTPUT], 1)) || (in[SKIP] && !has(in[SKIP], dims[OUTPUT], RANK)))
            TF_SetStatus(status, TF_INVALID_ARGUMENT, "the inputs' sizes differ, images have no pixels, the kernel is "
                         "not 3x3, or channels or filters are no multiple of 16, or of 32 in bfloat16");
    }
    if (TF_GetCode(status) == TF_OK) {
        size_t numbers = dims[OUTPUT][0] * dims[OUTPUT][1] * dims[OUTPUT][2] * dims[OUTPUT][3];
        int type = op->kernel == OUTPUT ? TF_FLOAT : TF_TensorType(in[0]);
        out = TF_AllocateOutput(context, 0, type, dims[OUTPUT], RANK, numbers * TF_DataTypeSize(type), status);
    }
    if (TF_GetCode(status) == TF_OK && op->compute(data, TF_TensorData(out), shape, by))
        TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, "no memory for a convolution");
    if (TF_GetCode(status) != TF_OK)
        TF_OpKernelContext_Failure(context, status);
    for (int i = 0; i < MOST; i++)
        if (in[i])
            TF_DeleteTensor(in[i]);
    if (out)
        TF_DeleteTensor(out);
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
    for (int i = 0; i < MOST && op->inputs[i]; i++)
        TF_OpDefinitionBuilderAddInput(definition, op->inputs[i]);
    TF_OpDefinitionBuilderAddOutput(definition, op->output);
    if (op->inputs[SKIP])
        TF_OpDefinitionBuilderAddAttr(definition, "N: int >= 0");
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
