/* Vectors of WIDTH bytes of float32, by the instructions TARGET; and what activations are made of, which are read to
   vectors and written from them. */
#include "winograd.h"

#define INLINE static inline __attribute__((always_inline))  /* so that the loops of what is called have known bounds */
#define CODE __attribute__((target(TARGET)))
#define OWN static __attribute__((noinline)) CODE  /* lest callers take its registers */

typedef float vector __attribute__((vector_size(WIDTH), aligned(4), may_alias));

enum { LANES = sizeof(vector) / sizeof(float), LINE = 64 /* bytes */ };

INLINE CODE vector load(const float *from) { return *(const vector *)from; }
INLINE CODE void store(float *to, vector v) { *(vector *)to = v; }

typedef float element;

INLINE CODE vector read(const element *from) { return load(from); }
INLINE CODE void write(element *to, vector v) { store(to, v); }
