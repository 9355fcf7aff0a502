/* The convolutions with vectors of eight numbers, for processors with AVX2. */
#define WIDTH 32
#undef TARGET
#define TARGET "avx2,fma"
#define FORM winograd_avx2
#include "form.h"
