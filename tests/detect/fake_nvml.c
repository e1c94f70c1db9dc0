/* A stand-in for libnvidia-ml.so.1 with the C interface of NVIDIA's nvml.h: a card with a program on it, a card
 * that is cut into a MIG slice and refuses to tell its memory, a part with shared memory, and a lost card. */
#include <stdio.h>
#include <string.h>

typedef unsigned long long u64;
typedef unsigned int u32;
typedef struct { char legacy[16]; u32 domain, bus, device, pci, subsystem; char id[32]; } pci_t;
typedef struct { u32 version; u64 total, reserved, free, used; } memory_v2_t;
typedef struct { u64 total, free, used; } memory_t;
typedef struct { u32 pid; u64 used; u32 gi, ci; } process_t;
typedef struct { u32 mp, copy, dec, enc, jpeg, ofa, gi, ci; u64 mib; } attributes_t;

enum { OK = 0, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, SMALL = 7, LOST = 15 };
enum { CARD = 1, PARENT = 2, SHARED = 3, SLICE = 9 };
#define WHICH(handle) ((int)(long)(handle))

int nvmlInit_v2(void) { return OK; }
int nvmlInitWithFlags(u32 flags) { return OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return "error"; }
int nvmlSystemGetDriverVersion(char *out, u32 size) { snprintf(out, size, "580.173.02"); return OK; }
int nvmlDeviceGetCount_v2(u32 *out) { *out = 4; return OK; }
int nvmlDeviceGetHandleByIndex_v2(u32 index, void **out) {
  if (index == 3) return LOST;
  *out = (void *)(long)(index + 1);
  return OK;
}
int nvmlDeviceGetName(void *device, char *out, u32 size) {
  const char *names[] = {"", "NVIDIA GeForce RTX 3090", "NVIDIA A100-SXM4-40GB", "NVIDIA GB10"};
  snprintf(out, size, "%s", WHICH(device) == SLICE ? "NVIDIA A100-SXM4-40GB MIG 3g.20gb" : names[WHICH(device)]);
  return OK;
}
int nvmlDeviceGetUUID(void *device, char *out, u32 size) {
  snprintf(out, size, "%s-%d", WHICH(device) == SLICE ? "MIG" : "GPU", WHICH(device));
  return OK;
}
int nvmlDeviceGetPciInfo_v3(void *device, pci_t *out) {
  memset(out, 0, sizeof *out);
  out->pci = 0x220410de;
  strcpy(out->id, "00000000:01:00.0");
  return OK;
}
int nvmlDeviceGetMemoryInfo_v2(void *device, memory_v2_t *out) {
  if (WHICH(device) == PARENT) return NO_PERMISSION;
  if (WHICH(device) == SHARED) return NOT_SUPPORTED;
  u64 total = WHICH(device) == SLICE ? 20937965568ull : 25769803776ull;
  u64 reserved = WHICH(device) == SLICE ? 0 : 441450496ull, used = WHICH(device) == SLICE ? 0 : 2147483648ull;
  out->total = total, out->reserved = reserved, out->used = used, out->free = total - reserved - used;
  return OK;
}
int nvmlDeviceGetMemoryInfo(void *device, memory_t *out) {
  return WHICH(device) == PARENT ? NO_PERMISSION : NOT_SUPPORTED;
}
int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) { *major = 8, *minor = 6; return OK; }
int nvmlDeviceGetNumGpuCores(void *device, u32 *out) { *out = 10496; return OK; }
int nvmlDeviceGetMemoryBusWidth(void *device, u32 *out) { *out = 384; return OK; }
int nvmlDeviceGetMaxClockInfo(void *device, u32 kind, u32 *out) { *out = kind == 2 ? 9751 : 2100; return OK; }
int nvmlDeviceGetMaxPcieLinkGeneration(void *device, u32 *out) { *out = 4; return OK; }
int nvmlDeviceGetCurrPcieLinkWidth(void *device, u32 *out) { *out = 16; return OK; }
int nvmlDeviceGetDisplayActive(void *device, u32 *out) { *out = 0; return OK; }
int nvmlDeviceGetEccMode(void *device, u32 *now, u32 *later) { return NOT_SUPPORTED; }
int nvmlDeviceGetMigMode(void *device, u32 *now, u32 *later) {
  if (WHICH(device) != PARENT) return NOT_SUPPORTED;
  *now = *later = 1;
  return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(void *device, u32 *out) { *out = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *device, u32 index, void **out) {
  if (index != 2) return NOT_FOUND;
  *out = (void *)(long)SLICE;
  return OK;
}
int nvmlDeviceGetAttributes_v2(void *device, attributes_t *out) {
  memset(out, 0, sizeof *out);
  out->mp = 42;
  return OK;
}
static int processes(void *device, u32 *count, process_t *out) {
  u32 room = *count;
  *count = WHICH(device) == CARD ? 1 : 0;
  if (*count == 0) return OK;
  if (room < 1 || out == NULL) return SMALL;
  out[0].pid = 4242, out[0].used = 2147483648ull;
  return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, u32 *count, process_t *out) {
  return processes(device, count, out);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, u32 *count, process_t *out) { *count = 0; return OK; }
int nvmlSystemGetProcessName(u32 pid, char *out, u32 size) {
  snprintf(out, size, "/home/alice/bin/llama-server --model secret.gguf");
  return OK;
}
