/* The convolutions with vectors of sixteen numbers, for processors with AVX-512. Compiled to other instructions, as
   tests do, the same text runs on other processors, too, only slower. */
#define WIDTH 64
#ifndef TARGET
#define TARGET "avx512f"
#endif
#define FORM winograd_avx512
#include "form.h"
