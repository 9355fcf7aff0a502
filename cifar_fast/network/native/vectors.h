/* Vectors of WIDTH bytes of float32, by the instructions TARGET; what activations are made of, the elements, which are
   read to vectors and written from them; and what is multiplied at a point, the factors.

   Both are float32; or, with BFLOAT16, elements are bfloat16, the upper halves of float32, and a factor is a pair of
   these, of which DOT_PRODUCTS has instructions. Sums are float32. */
#include "winograd.h"
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))  /* so that the loops of what is called have known bounds */
#define CODE __attribute__((target(TARGET)))
#define OWN static __attribute__((noinline)) CODE  /* lest callers take its registers */

typedef float vector __attribute__((vector_size(WIDTH), aligned(4), may_alias));

enum { LANES = sizeof(vector) / sizeof(float), LINE = 64 /* bytes */ };

INLINE CODE vector load(const float *from) { return *(const vector *)from; }
INLINE CODE void store(float *to, vector v) { *(vector *)to = v; }

#ifndef BFLOAT16

typedef float element, factor;
typedef vector factors;
enum { TERMS = 1 };  /* numbers in a factor */

INLINE CODE vector read(const element *from) { return load(from); }
INLINE CODE void write(element *to, vector v) { store(to, v); }

/* Numbers become the factors' term of that number; the first is to be put first. */
INLINE CODE void put(factor *to, vector v, size_t term) { (void)term, store(to, v); }

INLINE CODE vector add_product(vector sums, factor a, factors b) { return sums + a * b; }

#else

#ifdef DOT_PRODUCTS
#include <immintrin.h>
#endif

typedef uint16_t element;
typedef uint32_t factor;
typedef factor factors __attribute__((vector_size(WIDTH), aligned(4), may_alias));
typedef element halves __attribute__((vector_size(WIDTH / 2), aligned(2), may_alias));
enum { TERMS = 2 };

/* To the nearest, and ties to even. */
INLINE CODE halves rounded(vector v)
{
#ifdef DOT_PRODUCTS
    return (halves)_mm512_cvtneps_pbh((__m512)v);
#else
    factors bits = (factors)v;
    return __builtin_convertvector((bits + 0x7FFF + (bits >> 16 & 1)) >> 16, halves);
#endif
}

INLINE CODE factors widened(halves h) { return __builtin_convertvector(h, factors); }

INLINE CODE vector read(const element *from) { return (vector)(widened(*(const halves *)from) << 16); }
INLINE CODE void write(element *to, vector v) { *(halves *)to = rounded(v); }

INLINE CODE void put(factor *to, vector v, size_t term)
{
    factors bits = widened(rounded(v));
    if (term)
        bits = *(const factors *)to | bits << 16;
    *(factors *)to = bits;
}

INLINE CODE vector add_product(vector sums, factor a, factors b)
{
#ifdef DOT_PRODUCTS
    return (vector)_mm512_dpbf16_ps((__m512)sums, (__m512bh)(a - (factors){0}), (__m512bh)b);
#else
    factors all = a - (factors){0}, upper = {0};
    upper = ~upper << 16;
    return sums + (vector)(all << 16) * (vector)(b << 16) + (vector)(all & upper) * (vector)(b & upper);
#endif
}

#endif
