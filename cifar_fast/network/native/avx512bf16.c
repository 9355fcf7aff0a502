/* The convolutions of activations in bfloat16, with vectors of sixteen numbers, for processors with AVX-512 and its dot
   products of bfloat16. As in `avx512.c`, the same text can be compiled to other instructions. */
#include "winograd.h"

#if WINOGRAD_BFLOAT16
#define BFLOAT16
#define WIDTH 64
#ifndef TARGET
#define TARGET "avx512f,avx512bf16"
#define DOT_PRODUCTS
#endif
#define FORM winograd_avx512bf16
#include "form.h"
#endif
