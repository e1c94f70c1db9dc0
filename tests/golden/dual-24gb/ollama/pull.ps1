# Written by stackplan from a plan; change the plan, not this file.
# Pulls the plan's models into their Ollama servers, creates one model per role with the planned context, and loads
# the HOT ones for good. Running it again pulls nothing that is there.
#
#   pull.ps1 [-DryRun] [-Tier hot|warm|cold|all]
#
# Ends with 0 when all is done, 1 when a model failed, 2 when it could not start (server, disk).
[CmdletBinding()]
param(
    [switch]$DryRun,
    [ValidateSet('hot', 'warm', 'cold', 'all')][string]$Tier = 'all',
    [string]$Base = 'http://127.0.0.1',
    [int]$Tries = 3
)
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

$table = @(
    [pscustomobject]@{ Server = 'ollama-hot'; Port = 8202; Tier = 'hot'; Mode = 'chat'; Source = 'small:3b'; Name = 'stackplan-watchdog'; Bytes = 2147483648; Context = 16384; Parameters = @{ num_ctx = 16384; num_gpu = 999; num_batch = 512; num_thread = 12 } }
    [pscustomobject]@{ Server = 'ollama-hot'; Port = 8202; Tier = 'hot'; Mode = 'embedding'; Source = 'embed-text:v1.5'; Name = 'stackplan-embedding'; Bytes = 322122547; Context = 2048; Parameters = @{ num_ctx = 2048; num_gpu = 999; num_batch = 512; num_thread = 12 } }
)

# One streaming call. Ollama answers 200 and reports a failure as a line of the stream, so the stream decides.
function Invoke-Ollama([string]$Url, [hashtable]$Body) {
    $json = $Body | ConvertTo-Json -Depth 5 -Compress
    $answer = Invoke-WebRequest -UseBasicParsing -Method Post -Uri $Url -ContentType 'application/json' -Body $json -TimeoutSec 86400
    $content = if ($answer.Content -is [byte[]]) { [Text.Encoding]::UTF8.GetString($answer.Content) } else { $answer.Content }
    $lines = @($content -split "`n" | Where-Object { $_.Trim() })
    foreach ($line in $lines) {
        $record = $line | ConvertFrom-Json
        if ($record.PSObject.Properties.Name -contains 'error') { throw $record.error }
    }
    $last = $lines[-1] | ConvertFrom-Json
    $fields = $last.PSObject.Properties.Name
    $done = (($fields -contains 'status') -and $last.status -eq 'success') -or (($fields -contains 'done') -and $last.done) -or ($fields -contains 'embeddings')
    if (-not $done) { throw "the answer of $Url ended early" }
}

function Invoke-WithRetry([string]$Url, [hashtable]$Body) {
    for ($attempt = 1; $attempt -le $Tries; $attempt++) {
        try { Invoke-Ollama $Url $Body; return $true }
        catch {
            Write-Host "  try $attempt of ${Tries}: $($_.Exception.Message)"
            if ($attempt -lt $Tries) { Start-Sleep -Seconds (5 * $attempt) }
        }
    }
    return $false
}

function Get-ModelNames([string]$Url) {
    return @((Invoke-RestMethod -UseBasicParsing -Uri "$Url/api/tags" -TimeoutSec 10).models | ForEach-Object { $_.name })
}

function Test-Present([string[]]$Names, [string]$Name) {
    if (($Name -split '/')[-1] -notmatch ':') { $Name = "${Name}:latest" }
    return $Names -contains $Name
}

$rows = @($table | Where-Object { $Tier -eq 'all' -or $_.Tier -eq $Tier })
if ($rows.Count -eq 0) { Write-Host "no model of tier $Tier in this plan"; exit 0 }

if ($DryRun) {
    foreach ($row in $rows) {
        Write-Host "would pull $($row.Source) into $($row.Server) (${Base}:$($row.Port)) and create $($row.Name): tier $($row.Tier), $($row.Bytes) bytes, context $($row.Context)"
    }
    exit 0
}

[long]$missing = 0
$counted = @{}
foreach ($row in $rows) {
    try { $names = Get-ModelNames "${Base}:$($row.Port)" }
    catch { Write-Host "error: no Ollama server $($row.Server) at ${Base}:$($row.Port)"; exit 2 }
    $key = "$($row.Server)/$($row.Source)"
    if (-not $counted.ContainsKey($key)) {
        $counted[$key] = $true
        if (-not (Test-Present $names $row.Source)) { $missing += $row.Bytes }
    }
}
$folder = if ($env:OLLAMA_MODELS) { $env:OLLAMA_MODELS } else { $HOME }
$free = (Get-Item -LiteralPath $folder).PSDrive.Free
if ($null -ne $free -and $free -lt $missing * 1.1) {
    Write-Host "error: $folder has $free bytes free, the missing models need $([long]($missing * 1.1))"
    exit 2
}

$failed = 0
foreach ($row in $rows) {
    $url = "${Base}:$($row.Port)"
    if (Test-Present (Get-ModelNames $url) $row.Source) { Write-Host "present $($row.Source) on $($row.Server)" }
    else {
        Write-Host "pulling $($row.Source) into $($row.Server) ($($row.Bytes) bytes)"
        if (-not (Invoke-WithRetry "$url/api/pull" @{ model = $row.Source })) { Write-Host "FAILED to pull $($row.Source)"; $failed++; continue }
    }
    if (-not (Invoke-WithRetry "$url/api/create" @{ model = $row.Name; from = $row.Source; parameters = $row.Parameters })) { Write-Host "FAILED to create $($row.Name)"; $failed++; continue }
    if ($row.Tier -eq 'hot') {
        # An embedding model refuses generate; an empty input just loads it. -1 is a number: the text "-1" is refused.
        if ($row.Mode -eq 'embedding') { $ok = Invoke-WithRetry "$url/api/embed" @{ model = $row.Name; input = ''; keep_alive = -1 } }
        else { $ok = Invoke-WithRetry "$url/api/generate" @{ model = $row.Name; keep_alive = -1; stream = $false } }
        if (-not $ok) { Write-Host "FAILED to load $($row.Name)"; $failed++; continue }
    }
    Write-Host "ready $($row.Name) on $($row.Server)"
}
if ($failed -gt 0) { Write-Host "$failed of $($rows.Count) failed"; exit 1 }
Write-Host "all $($rows.Count) ready"
exit 0
