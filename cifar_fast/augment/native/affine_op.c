/* `affine.c`'s resample as an operation of TensorFlow's, for images of bytes. It is registered when the library is
   loaded. */
#include "../../system/native/tensorflow.h"
#include "affine.h"
#include <stdlib.h>
#include <string.h>

enum { IMAGES, MATRICES, SAMPLED, TENSORS, RANK = 4, ENTRIES = 6 };
static const char NAME[] = "CifarFastAffine";

/* The attributes: what a kernel remembers. */
typedef struct { int32_t fill, order, threads; float cval; } means;

static void *read_means(TF_OpKernelConstruction *construction)
{
    TF_Status *status = TF_NewStatus();
    means *m = calloc(1, sizeof *m);
    if (m) {  /* the definition has these attributes */
        TF_OpKernelConstruction_GetAttrInt32(construction, "fill", &m->fill, status);
        TF_OpKernelConstruction_GetAttrInt32(construction, "order", &m->order, status);
        TF_OpKernelConstruction_GetAttrInt32(construction, "threads", &m->threads, status);
        TF_OpKernelConstruction_GetAttrFloat(construction, "cval", &m->cval, status);
    }
    TF_DeleteStatus(status);
    return m;
}

/* What the inputs make; returns whether they agree. */
static int describe(TF_Tensor *const tensors[TENSORS], batch *b)
{
    const TF_Tensor *images = tensors[IMAGES], *matrices = tensors[MATRICES];
    if (TF_NumDims(images) != RANK || TF_NumDims(matrices) != 2)
        return 0;
    b->count = TF_Dim(images, 0), b->height = TF_Dim(images, 1), b->width = TF_Dim(images, 2);
    b->channels = TF_Dim(images, 3), b->images = TF_TensorData(images);
    return TF_Dim(matrices, 0) == b->count && TF_Dim(matrices, 1) == ENTRIES && b->height && b->width && b->channels
        && b->height * b->width * b->channels < 1LL << 31;
}

/* Returns 0, or -1 without memory. */
static int sample(batch *b, const double *matrices)
{
    plan *plans = calloc(b->count + 1, sizeof *plans);
    if (!plans)
        return -1;
    for (int64_t i = 0; i < b->count; i++) {
        memcpy(plans[i].matrix, matrices + i * ENTRIES, sizeof plans[i].matrix);
        plans[i].source = i, plans[i].steps = RESAMPLE;
    }
    b->plans = plans;
    int failed = cifar_fast_affine(b);
    free(plans);
    return failed;
}

static void compute(void *remembered, TF_OpKernelContext *context)
{
    const means *m = remembered;
    TF_Status *status = TF_NewStatus();
    TF_Tensor *tensors[TENSORS] = {NULL};
    batch b = {.from = UINT8, .to = FLOAT32};
    for (int i = 0; i < SAMPLED && TF_GetCode(status) == TF_OK; i++)
        TF_GetInput(context, i, &tensors[i], status);
    if (TF_GetCode(status) == TF_OK && !describe(tensors, &b))
        TF_SetStatus(status, TF_INVALID_ARGUMENT, "needs images [B, H, W, C], which have pixels, below 2^31 numbers "
                     "each, and matrices [B, 6]");
    if (TF_GetCode(status) == TF_OK) {
        int64_t dims[RANK] = {b.count, b.height, b.width, b.channels};
        size_t bytes = b.count * b.height * b.width * b.channels * sizeof(float);
        tensors[SAMPLED] = TF_AllocateOutput(context, 0, TF_FLOAT, dims, RANK, bytes, status);
    }
    if (TF_GetCode(status) == TF_OK) {
        b.out = TF_TensorData(tensors[SAMPLED]);
        if (m)
            b.fill = m->fill, b.order = m->order, b.threads = m->threads, b.cval = m->cval;
        if (!m || sample(&b, TF_TensorData(tensors[MATRICES])))
            TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, "no memory to resample images");
    }
    if (TF_GetCode(status) != TF_OK)
        TF_OpKernelContext_Failure(context, status);
    for (int i = 0; i < TENSORS; i++)
        if (tensors[i])
            TF_DeleteTensor(tensors[i]);
    TF_DeleteStatus(status);
}

__attribute__((constructor)) static void register_operation(void)
{
    TF_Status *status = TF_NewStatus();
    TF_OpDefinitionBuilder *definition = TF_NewOpDefinitionBuilder(NAME);
    TF_OpDefinitionBuilderAddInput(definition, "images: uint8");
    TF_OpDefinitionBuilderAddInput(definition, "matrices: double");
    TF_OpDefinitionBuilderAddOutput(definition, "sampled: float");
    TF_OpDefinitionBuilderAddAttr(definition, "fill: int");
    TF_OpDefinitionBuilderAddAttr(definition, "cval: float");
    TF_OpDefinitionBuilderAddAttr(definition, "order: int");
    TF_OpDefinitionBuilderAddAttr(definition, "threads: int >= 1");
    /* The caller says what shape comes out. */
    TF_OpDefinitionBuilderSetShapeInferenceFunction(definition, TF_ShapeInferenceContextSetUnknownShape);
    TF_RegisterOpDefinition(definition, status);
    TF_RegisterKernelBuilder(NAME, TF_NewKernelBuilder(NAME, "CPU", read_means, compute, free), status);
    TF_DeleteStatus(status);  /* TensorFlow refuses to load what failed to register */
}
