/* Counts what a program takes from malloc, libraries and all, to see how far a file can drive it. With sanitizers by
   their hooks, else by functions in malloc's place. */
#ifndef SPEC_WATCH_H
#define SPEC_WATCH_H

#include <stdatomic.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCH_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WATCH_SANITIZER
#endif

static atomic_size_t watch_live, watch_peak;

static inline void watch_more(size_t n)
{
    size_t live = atomic_fetch_add(&watch_live, n) + n, peak = atomic_load(&watch_peak);
    while (live > peak && !atomic_compare_exchange_weak(&watch_peak, &peak, live))
        ;
}

static inline void watch_less(size_t n)
{
    atomic_fetch_sub(&watch_live, n);
}

#ifdef WATCH_SANITIZER
/* of sanitizer/allocator_interface.h, which not every compiler brings */
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t), void (*)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *);

static inline void watch_malloc(const volatile void *p, size_t n)
{
    (void)p;
    watch_more(n);
}

static inline void watch_free(const volatile void *p)
{
    watch_less(__sanitizer_get_allocated_size(p));
}

static inline bool watch_begin(void)
{
    return __sanitizer_install_malloc_and_free_hooks(watch_malloc, watch_free) > 0;
}
#elif defined(__GLIBC__)
#include <malloc.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t each);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static inline void *watch_made(void *p)
{
    watch_more(p ? malloc_usable_size(p) : 0);
    return p;
}

void *malloc(size_t n)
{
    return watch_made(__libc_malloc(n));
}

void *calloc(size_t n, size_t each)
{
    return watch_made(__libc_calloc(n, each));
}

void *realloc(void *p, size_t n)
{
    size_t before = p ? malloc_usable_size(p) : 0;
    void *made = __libc_realloc(p, n);
    if (made || n == 0)
        watch_less(before);
    return watch_made(made);
}

void free(void *p)
{
    watch_less(p ? malloc_usable_size(p) : 0);
    __libc_free(p);
}

static inline bool watch_begin(void)
{
    return true;
}
#else
static inline bool watch_begin(void)
{
    return false;
}
#endif

/* Starts to look for a peak; watch_grown: how far it went from here. */
static size_t watch_from;

static inline void watch_start(void)
{
    watch_from = atomic_load(&watch_live);
    atomic_store(&watch_peak, watch_from);
}

static inline size_t watch_grown(void)
{
    return atomic_load(&watch_peak) - watch_from;
}

#endif
